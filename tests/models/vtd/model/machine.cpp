// SPDX-License-Identifier: Apache-2.0
#include "tests/models/vtd/model/machine.hpp"

#include <fmt/format.h>
#include <sys/random.h>

#include <algorithm>
#include <cstdlib>

#include "tests/models/vtd/model/firmware.hpp"

namespace smmu::model::vtd {
namespace {

constexpr std::uint64_t all_ones = ~std::uint64_t{0};
constexpr std::uint32_t first_registers = 0xfe000000;
constexpr std::uint16_t address_port = 0xcf8;
constexpr std::uint16_t data_port = 0xcfc;

}  // namespace

VtdMachine::VtdMachine(MachineFacts facts, const std::string& log)
    : facts_(std::move(facts)),
      memory_(facts_.memory_mib << 20),
      tables_(vtd::firmware_tables(facts_)) {
    if (!log.empty()) complaints_.write_to(log);
    description_.name = facts_.name;
    description_.log_path = log;
    description_.ram = {{{0}, memory_.bytes(), 0}};
    if (getrandom(description_.boot_identity.data(), description_.boot_identity.size(), 0) < 0)
        std::abort();
    for (std::size_t i = 0; i < facts_.units.size(); ++i) {
        const UnitFacts& unit = facts_.units[i];
        units_.push_back(std::make_unique<Unit>(unit.features, unit.behaviour, facts_.host_bits,
                                                memory_, complaints_, fmt::format("unit {}", i)));
        units_.back()->set_device_tlb([this, segment = unit.segment](std::uint16_t source,
                                                                     std::uint64_t address,
                                                                     std::uint64_t bytes) {
            for (DmaDevice& device : devices_)
                if (device.function().id() == source &&
                    device.function().facts().segment == segment)
                    device.forget_translations(address, bytes);
        });
    }
    add_functions();
}

// Each function with registers gets the next megabyte; a bridge hands down those of its bus.
void VtdMachine::add_functions() {
    const auto registers_of = [&](std::size_t index) {
        return first_registers + std::uint32_t(index) * PciFunction::registers_bytes;
    };
    for (std::size_t i = 0; i < facts_.functions.size(); ++i) {
        const FunctionFacts& function = facts_.functions[i];
        PhysRange window{{0xfffffff0'0000 & 0xfff00000}, {0xfffff}};  // none: base above limit
        for (std::size_t j = 0; j < facts_.functions.size(); ++j) {
            const FunctionFacts& below = facts_.functions[j];
            if (below.segment != function.segment || below.bus != function.secondary ||
                function.secondary == 0)
                continue;
            const std::uint64_t at = registers_of(j);
            window.first = std::min(window.first, PhysAddr{at});
            window.last = std::max(window.last, PhysAddr{at + PciFunction::registers_bytes - 1});
        }
        functions_.emplace_back(function, registers_of(i), window);
    }
    for (PciFunction& function : functions_)
        if (function.is_device())
            devices_.emplace_back(function,
                                  [this, &function](Request what, std::span<std::byte> bytes) {
                                      return request(function, what, bytes);
                                  });
}

DmaDevice& VtdMachine::device(std::uint8_t bus, std::uint8_t slot, std::uint16_t segment) {
    for (DmaDevice& device : devices_)
        if (device.function().id() == (bus << 8 | slot << 3) &&
            device.function().facts().segment == segment)
            return device;
    std::abort();
}

PciFunction* VtdMachine::find(std::uint16_t segment, std::uint16_t id) {
    for (PciFunction& function : functions_)
        if (function.id() == id && function.facts().segment == segment) return &function;
    return nullptr;
}

PciFunction* VtdMachine::above(const PciFunction& function) {
    for (PciFunction& other : functions_)
        if (other.is_bridge() && other.facts().segment == function.facts().segment &&
            other.facts().secondary == function.facts().bus && function.facts().bus != 0)
            return &other;
    return nullptr;
}

bool VtdMachine::covers(const ScopeFacts& scope, const PciFunction& function) {
    const PciFunction* named = nullptr;
    std::uint8_t bus = scope.start_bus;
    for (const auto& [device, number] : scope.path) {
        named = find(function.facts().segment, std::uint16_t(bus << 8 | device << 3 | number));
        if (named == nullptr) return false;
        bus = named->facts().secondary;
    }
    if (named == &function) return true;
    if (!scope.below) return false;
    for (const PciFunction* at = above(function); at != nullptr; at = above(*at))
        if (at == named) return true;
    return false;
}

Unit* VtdMachine::unit_of(const PciFunction& function) {
    Unit* rest = nullptr;
    for (std::size_t i = 0; i < units_.size(); ++i) {
        const UnitFacts& unit = facts_.units[i];
        if (unit.segment != function.facts().segment) continue;
        for (const ScopeFacts& scope : unit.scopes)
            if (covers(scope, function)) return units_[i].get();
        if (unit.takes_all) rest = units_[i].get();
    }
    return rest;
}

// A request on its way up: through the bridges, the unit, to memory.
Outcome VtdMachine::request(PciFunction& function, Request request, std::span<std::byte> bytes) {
    request.source = function.id();
    for (const PciFunction* at = above(function); at != nullptr; at = above(*at)) {
        if (!at->bus_master()) return {};
        if (at->facts().kind == Kind::pci_bridge)
            request.source = std::uint16_t(at->facts().secondary << 8);
    }
    Unit* const unit = unit_of(function);
    Outcome outcome = unit != nullptr ? unit->handle(request)
                                      : Outcome{.allowed = true, .address = request.address};
    if (!outcome.allowed || request.type == AddressType::translation) return outcome;
    if (!memory_.contains(outcome.address, bytes.size())) {
        outcome.allowed = false;
    } else if (request.write) {
        std::memcpy(memory_.at(outcome.address), bytes.data(), bytes.size());
    } else {
        std::memcpy(bytes.data(), memory_.at(outcome.address), bytes.size());
    }
    return outcome;
}

Result<void> VtdMachine::perform(std::span<const link::Operation> operations,
                                 std::span<std::uint64_t> values) {
    std::size_t valued = 0;
    for (const link::Operation& operation : operations) {
        const bool is_port = operation.kind == link::OperationKind::port_in ||
                             operation.kind == link::OperationKind::port_out;
        std::uint64_t value = is_port ? at_port(operation) : carry_out(operation);
        if (operation.bytes < 8) value &= (std::uint64_t{1} << 8 * operation.bytes) - 1;
        if (operation.reads()) values[valued++] = value;
    }
    return {};
}

std::uint64_t VtdMachine::carry_out(const link::Operation& operation) {
    const std::uint64_t address = operation.address;
    if (memory_.contains(address, operation.bytes)) {
        std::uint64_t value = operation.value;
        if (operation.reads())
            std::memcpy(&value, memory_.at(address), operation.bytes);
        else
            std::memcpy(memory_.at(address), &value, operation.bytes);
        return value;
    }
    for (std::size_t i = 0; i < units_.size(); ++i) {
        const std::uint64_t offset = address - facts_.units[i].base;
        if (offset >= Unit::window_bytes) continue;
        if (operation.reads()) return units_[i]->read(offset, operation.bytes);
        units_[i]->write(offset, operation.bytes, operation.value);
        return 0;
    }
    for (const PciFunction& function : functions_)
        if (const std::uint64_t offset = address - config_base(function.facts().segment);
            offset < std::uint64_t{1} << 28)
            return at_config(function.facts().segment, offset, operation);
    for (DmaDevice& device : devices_) {
        if (!device.function().decodes(address)) continue;
        const auto offset = unsigned(address - device.function().registers());
        if (operation.reads()) return device.read(offset, operation.bytes);
        device.write(offset, operation.bytes, operation.value);
        return 0;
    }
    return all_ones;
}

std::uint64_t VtdMachine::at_config(std::uint16_t segment, std::uint64_t offset,
                                    const link::Operation& operation) {
    PciFunction* const function = find(segment, std::uint16_t(offset >> 12));
    if (function == nullptr) return all_ones;
    const auto at = unsigned(offset & 0xfff);
    if (operation.reads()) return function->read(at, operation.bytes);
    function->write(at, operation.bytes, operation.value);
    return 0;
}

std::uint64_t VtdMachine::at_port(const link::Operation& operation) {
    if (operation.address == address_port) {
        if (!operation.reads()) selected_ = std::uint32_t(operation.value);
        return selected_;
    }
    if (operation.address - data_port >= 4 || selected_ >> 31 == 0) return all_ones;
    const std::uint64_t offset =
        std::uint64_t{selected_ >> 8 & 0xffff} << 12 | (selected_ & 0xfc) | (operation.address & 3);
    return at_config(0, offset, operation);
}

}  // namespace smmu::model::vtd
