// SPDX-License-Identifier: Apache-2.0
#include "tests/models/mmu500/model/machine.hpp"

#include <fmt/format.h>
#include <sys/random.h>

#include <cstdlib>

#include "tests/models/mmu500/model/firmware.hpp"

namespace smmu::model::mmu500 {

Mmu500Machine::Mmu500Machine(MachineFacts facts, const std::string& log)
    : facts_(std::move(facts)),
      memory_(facts_.memory_mib << 20, MachineFacts::ram_base),
      tables_(mmu500::firmware_tables(facts_)) {
    if (!log.empty()) complaints_.write_to(log);
    description_.name = facts_.name;
    description_.log_path = log;
    description_.ram = {{{memory_.base()}, memory_.bytes(), 0}};
    if (getrandom(description_.boot_identity.data(), description_.boot_identity.size(), 0) < 0)
        std::abort();
    for (const link::FirmwareTable& table : tables_)
        if (memory_.contains(table.address, table.bytes.size()))
            std::memcpy(memory_.at(table.address), table.bytes.data(), table.bytes.size());
    for (std::size_t i = 0; i < facts_.units.size(); ++i) {
        const UnitFacts& unit = facts_.units[i];
        units_.push_back(std::make_unique<Unit>(unit.features, unit.behaviour, memory_, complaints_,
                                                fmt::format("unit {}", i)));
        units_.back()->set_resumption([this, i](unsigned bank, bool terminate) {
            for (std::size_t e = 0; e < engines_.size(); ++e)
                if (facts_.engines[e].unit == i) engines_[e].resume(bank, terminate);
        });
    }
    for (const EngineFacts& engine : facts_.engines)
        engines_.emplace_back(engine.streams, [this, unit = engine.unit](
                                                  const Request& what, std::span<std::byte> bytes) {
            return request(unit, what, bytes);
        });
}

Outcome Mmu500Machine::request(std::size_t unit, const Request& request,
                               std::span<std::byte> bytes) {
    const Outcome outcome = units_[unit]->handle(request);
    if (outcome.verdict != Verdict::allowed) return outcome;
    if (!memory_.contains(outcome.address, bytes.size())) return {Verdict::aborted};
    if (request.write)
        std::memcpy(memory_.at(outcome.address), bytes.data(), bytes.size());
    else
        std::memcpy(bytes.data(), memory_.at(outcome.address), bytes.size());
    return outcome;
}

Result<void> Mmu500Machine::perform(std::span<const link::Operation> operations,
                                    std::span<std::uint64_t> values) {
    std::size_t valued = 0;
    for (const link::Operation& operation : operations) {
        std::uint64_t value = carry_out(operation);
        if (operation.bytes < 8) value &= (std::uint64_t{1} << 8 * operation.bytes) - 1;
        if (operation.reads()) values[valued++] = value;
    }
    return {};
}

std::uint64_t Mmu500Machine::carry_out(const link::Operation& operation) {
    const std::uint64_t address = operation.address;
    const bool is_port = operation.kind == link::OperationKind::port_in ||
                         operation.kind == link::OperationKind::port_out;
    if (is_port) return ~std::uint64_t{0};  // there are none on this machine
    if (memory_.contains(address, operation.bytes)) {
        std::uint64_t value = operation.value;
        if (operation.reads())
            std::memcpy(&value, memory_.at(address), operation.bytes);
        else
            std::memcpy(memory_.at(address), &value, operation.bytes);
        return value;
    }
    if (address == complaint_count) return complaints_.all().size();
    for (std::size_t i = 0; i < units_.size(); ++i) {
        const std::uint64_t offset = address - facts_.units[i].base;
        if (offset >= units_[i]->window_bytes()) continue;
        if (operation.reads()) return units_[i]->read(offset, operation.bytes);
        units_[i]->write(offset, operation.bytes, operation.value);
        return 0;
    }
    for (std::size_t i = 0; i < engines_.size(); ++i) {
        const std::uint64_t offset = address - facts_.engines[i].base;
        if (offset >= Engine::window_bytes) continue;
        if (operation.reads()) return engines_[i].read(unsigned(offset), operation.bytes);
        engines_[i].write(unsigned(offset), operation.bytes, operation.value);
        return 0;
    }
    return ~std::uint64_t{0};
}

}  // namespace smmu::model::mmu500
