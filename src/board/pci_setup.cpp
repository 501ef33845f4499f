// SPDX-License-Identifier: Apache-2.0
#include "board/pci_setup.hpp"

#include <fmt/format.h>

#include <array>
#include <vector>

namespace smmu::board {
namespace {

constexpr unsigned functions_of_bus = 256;
constexpr unsigned last_bus = 255;
constexpr std::uint64_t bridge_granule = 1u << 20;

namespace config {
constexpr std::uint16_t identity = 0x00, command = 0x04, header = 0x0e, bars = 0x10;
constexpr std::uint16_t buses = 0x18, io_window = 0x1c, memory_window = 0x20;  // of a bridge
constexpr std::uint16_t prefetch_window = 0x24;
}  // namespace config

constexpr std::uint32_t absent = 0xffffffff;
constexpr std::uint8_t multifunction = 0x80, bridge_layout = 1;
constexpr std::uint16_t memory_space = 2;
constexpr std::uint32_t closed_io_window = 0x00f0, closed_memory_window = 0x0000fff0;

constexpr std::uint32_t bar_is_io = 1, bar_width = 6, bar_is_64_bits = 4, bar_flags = 15;

// `granule` is a power of two.
constexpr std::uint64_t rounded_up(std::uint64_t value, std::uint64_t granule) {
    return (value + granule - 1) & ~(granule - 1);
}

class PciSetup {
public:
    PciSetup(Machine& machine, const PciPlaces& places)
        : machine_(machine), places_(places), next_(places.memory.first.value) {}

    // All functions of a bus whose number is set, and what is behind its bridges.
    Result<void> place_bus(unsigned bus);

private:
    // `function` is the configuration space of one function.
    Result<void> place_bars(PhysAddr function, unsigned count);
    Result<std::uint64_t> bar_size(PhysAddr bar, std::uint32_t answer);
    Result<void> place_bridge(PhysAddr function, unsigned bus);
    Result<std::uint64_t> take(std::uint64_t bytes);

    Result<std::uint32_t> read(PhysAddr address, std::uint8_t bytes) {
        const std::array operations = {link::Operation::read(address, bytes)};
        std::uint64_t value = 0;
        SMMU_CHECK(machine_.perform(operations, {&value, 1}));
        return static_cast<std::uint32_t>(value);
    }
    Result<void> write(PhysAddr address, std::uint8_t bytes, std::uint32_t value) {
        const std::array operations = {link::Operation::write(address, bytes, value)};
        return machine_.perform(operations, {});
    }
    PhysAddr function_at(unsigned bus, unsigned devfn) const {
        return places_.config + (std::uint64_t{bus} << 20 | std::uint64_t{devfn} << 12);
    }

    Machine& machine_;
    PciPlaces places_;
    std::uint64_t next_;  // free address
    unsigned used_buses_ = 0;
};

Result<void> PciSetup::place_bus(unsigned bus) {
    std::vector<link::Operation> reads;
    for (unsigned devfn = 0; devfn < functions_of_bus; ++devfn)
        reads.push_back(link::Operation::read(function_at(bus, devfn) + config::identity, 4));
    std::vector<std::uint64_t> identities(reads.size());
    SMMU_CHECK(machine_.perform(reads, identities));
    bool more_functions = false;
    for (unsigned devfn = 0; devfn < functions_of_bus; ++devfn) {
        const bool is_first = devfn % 8 == 0;
        if (is_first) more_functions = false;
        if (identities[devfn] == absent || (!is_first && !more_functions)) continue;
        const PhysAddr function = function_at(bus, devfn);
        SMMU_TRY(const std::uint32_t header, read(function + config::header, 1));
        if (is_first) more_functions = (header & multifunction) != 0;
        const bool is_bridge = (header & ~std::uint32_t{multifunction}) == bridge_layout;
        SMMU_CHECK(place_bars(function, is_bridge ? 2 : 6));
        if (is_bridge) SMMU_CHECK(place_bridge(function, bus));
        SMMU_CHECK(write(function + config::command, 2, memory_space));
    }
    return {};
}

Result<void> PciSetup::place_bars(PhysAddr function, unsigned count) {
    for (unsigned i = 0; i < count; ++i) {
        const PhysAddr bar = function + config::bars + 4 * i;
        SMMU_CHECK(write(bar, 4, ~std::uint32_t{0}));
        SMMU_TRY(const std::uint32_t answer, read(bar, 4));
        SMMU_CHECK(write(bar, 4, 0));
        if (answer == 0 || (answer & bar_is_io) != 0) continue;
        SMMU_TRY(const std::uint64_t size, bar_size(bar, answer));
        SMMU_TRY(const std::uint64_t address, take(size));
        SMMU_CHECK(write(bar, 4, static_cast<std::uint32_t>(address)));
        if ((answer & bar_width) == bar_is_64_bits) ++i;  // the upper half holds zero
    }
    return {};
}

// Address bits that a register does not take are those inside its size.
Result<std::uint64_t> PciSetup::bar_size(PhysAddr bar, std::uint32_t answer) {
    std::uint64_t upper = ~std::uint32_t{0};
    if ((answer & bar_width) == bar_is_64_bits) {
        SMMU_CHECK(write(bar + 4, 4, ~std::uint32_t{0}));
        SMMU_TRY(upper, read(bar + 4, 4));
        SMMU_CHECK(write(bar + 4, 4, 0));
    }
    return ~(upper << 32 | (answer & ~bar_flags)) + 1;
}

// A bridge hands on what lies between the first and the last address of what is behind it, in
// whole MiB.
Result<void> PciSetup::place_bridge(PhysAddr function, unsigned bus) {
    if (used_buses_ == last_bus) return fail(ENOSPC, "more PCI buses than numbers for them");
    const unsigned behind = ++used_buses_;
    SMMU_CHECK(write(function + config::buses, 4, bus | behind << 8 | last_bus << 16));
    const std::uint64_t first = next_ = rounded_up(next_, bridge_granule);
    SMMU_CHECK(place_bus(behind));
    SMMU_CHECK(write(function + config::buses, 4, bus | behind << 8 | used_buses_ << 16));
    std::uint32_t window = closed_memory_window;
    if (next_ != first) {
        next_ = rounded_up(next_, bridge_granule);
        window = static_cast<std::uint32_t>(first >> 16 | ((next_ - 1) & 0xfff00000));
    }
    SMMU_CHECK(write(function + config::io_window, 2, closed_io_window));
    SMMU_CHECK(write(function + config::memory_window, 4, window));
    return write(function + config::prefetch_window, 4, closed_memory_window);
}

Result<std::uint64_t> PciSetup::take(std::uint64_t bytes) {
    const PhysAddr address{rounded_up(next_, bytes)};
    const auto range = PhysRange::from_length(address, bytes);
    if (!range || !places_.memory.contains(*range))
        return fail(
            ENOSPC,
            fmt::format("{:#x} bytes of device registers do not fit into {:#x}-{:#x}"
                        " behind {:#x}; leave out some devices",
                        bytes, places_.memory.first.value, places_.memory.last.value, next_));
    next_ = range->last.value + 1;
    return address.value;
}

}  // namespace

Result<void> set_up_pci(Machine& machine, const PciPlaces& places) {
    return PciSetup(machine, places).place_bus(0);
}

}  // namespace smmu::board
