// SPDX-License-Identifier: Apache-2.0
#include "tests/models/rcar/model/machine.hpp"

#include <fmt/format.h>
#include <sys/random.h>

#include <algorithm>
#include <cstdlib>

#include "tests/models/rcar/model/firmware.hpp"

namespace smmu::model::rcar {
namespace {

constexpr std::uint64_t all_ones = ~std::uint64_t{0};

}  // namespace

RcarMachine::RcarMachine(MachineFacts facts, const std::string& log)
    : facts_(std::move(facts)),
      memory_(facts_.memory_mib << 20, ram_base),
      view_(memory_, facts_.behaviour.sees_cleaning, false),
      tables_(rcar::firmware_tables(facts_)),
      main_(facts_.product, facts_.behaviour, memory_, view_, complaints_,
            {.use =
                 [this](unsigned context) {
                     return std::ranges::any_of(
                         units_, [&](const CacheUnit& unit) { return unit.uses(context); });
                 },
             .flushed =
                 [this](unsigned context) {
                     for (CacheUnit& unit : units_) unit.flushed(context);
                 }}),
      power_([this](Domain domain, bool on) {
          for (CacheUnit& unit : units_)
              if (unit.facts().domain == domain) unit.set_power(on);
      }) {
    if (!log.empty()) complaints_.write_to(log);
    description_.name = facts_.name;
    description_.log_path = log;
    description_.ram = {{{ram_base}, memory_.bytes(), 0}};
    if (getrandom(description_.boot_identity.data(), description_.boot_identity.size(), 0) < 0)
        std::abort();
    for (const UnitFacts& unit : facts_.product.units)
        units_.emplace_back(facts_.product, unit, main_, complaints_);
    for (const MasterFacts& master : facts_.product.masters)
        masters_.emplace_back(
            master, [this, &unit = unit(master.unit)](unsigned slot, std::uint64_t address,
                                                      std::span<std::byte> bytes, bool write) {
                return access(unit, slot, address, bytes, write);
            });
    for (const Domain domain : facts_.off) power_.set(domain, false);
}

CacheUnit& RcarMachine::unit(std::string_view name) {
    for (CacheUnit& unit : units_)
        if (unit.facts().name == name) return unit;
    std::abort();
}

Master& RcarMachine::master(std::string_view name) {
    for (Master& master : masters_)
        if (master.facts().name == name) return master;
    std::abort();
}

bool RcarMachine::access(CacheUnit& unit, unsigned slot, std::uint64_t address,
                         std::span<std::byte> bytes, bool write) {
    const Outcome outcome = unit.handle(slot, address, write);
    if (!outcome.allowed || !memory_.contains(outcome.address, bytes.size())) return false;
    if (write)
        std::memcpy(memory_.at(outcome.address), bytes.data(), bytes.size());
    else
        std::memcpy(bytes.data(), memory_.at(outcome.address), bytes.size());
    return true;
}

Result<void> RcarMachine::perform(std::span<const link::Operation> operations,
                                  std::span<std::uint64_t> values) {
    std::size_t valued = 0;
    for (const link::Operation& operation : operations) {
        std::uint64_t value = carry_out(operation);
        if (operation.bytes < 8) value &= (std::uint64_t{1} << 8 * operation.bytes) - 1;
        if (operation.reads()) values[valued++] = value;
    }
    return {};
}

std::uint64_t RcarMachine::carry_out(const link::Operation& operation) {
    if (operation.kind == link::OperationKind::port_in ||
        operation.kind == link::OperationKind::port_out)
        return all_ones;  // there are no ports
    const std::uint64_t address = operation.address;
    if (memory_.contains(address, operation.bytes)) {
        std::uint64_t value = operation.value;
        if (operation.reads())
            std::memcpy(&value, memory_.at(address), operation.bytes);
        else
            std::memcpy(memory_.at(address), &value, operation.bytes);
        return value;
    }
    for (Master& master : masters_) {
        const std::uint64_t offset = address - master.facts().base;
        if (offset >= Master::window_bytes) continue;
        if (operation.reads()) return master.read(unsigned(offset), operation.bytes);
        master.write(unsigned(offset), operation.bytes, operation.value);
        return 0;
    }
    return at_word(operation);
}

// Registers of 32 bits.
std::uint64_t RcarMachine::at_word(const link::Operation& operation) {
    const auto at = [&](auto& device, std::uint64_t base) -> std::uint64_t {
        const std::uint64_t offset = operation.address - base;
        if (operation.bytes != 4) {
            complaints_.add(fmt::format("an access of {} bytes to the register at {:#x}",
                                        operation.bytes, operation.address));
            return 0;
        }
        if (operation.reads()) return device.read(offset);
        device.write(offset, std::uint32_t(operation.value));
        return 0;
    };
    const std::uint64_t address = operation.address;
    const std::uint64_t window = facts_.product.window_bytes();
    if (address - facts_.product.main_base < window) return at(main_, facts_.product.main_base);
    for (CacheUnit& unit : units_)
        if (address - unit.facts().base < window) return at(unit, unit.facts().base);
    if (address - Power::base < Power::window_bytes) return at(power_, Power::base);
    if (address == product_register) return facts_.product.prr;
    return all_ones;
}

}  // namespace smmu::model::rcar
