// SPDX-License-Identifier: Apache-2.0
#include "pci/rescan.hpp"

#include <algorithm>
#include <set>

#include "pci/config_space.hpp"
#include "pci/function_reader.hpp"

namespace smmu::pci {
namespace {

constexpr unsigned slots_per_bus = 32;

}  // namespace

Rescan::Rescan(platform::PciConfig& config, std::vector<platform::EcamWindow> windows) : config_(config) {
    if (windows.empty()) windows.push_back({0, 0, 0, 255});
    for (const platform::EcamWindow& window : windows)
        for (unsigned bus = window.first_bus; bus <= window.last_bus; ++bus)
            buses_.push_back({window.segment, std::uint8_t(bus)});
}

bool Rescan::look(const topology::PciTree& tree) {
    replaced_.clear();
    const bool gone = any_gone(tree), renumbered = any_renumbered(tree);
    return any_new(tree) || gone || renumbered;
}

bool Rescan::any_gone(const topology::PciTree& tree) {
    std::vector<platform::PciFunction> places;
    for (const topology::PciFunction& function : tree.functions) places.push_back(function_at(function.address));
    std::vector<std::uint32_t> ids(places.size());
    config_.read(places, offset::id, ids);
    bool gone = false;
    for (std::size_t i = 0; i < ids.size(); ++i) {
        const topology::PciAddress& address = tree.functions[i].address;
        if (ids[i] == id_of(tree.functions[i]))
            silent_.erase(address);
        else if (ids[i] != absent)
            replaced_.push_back(address);
        else if (++silent_[address] >= silent_looks)
            gone = true;
    }
    if (gone) silent_.clear();
    return gone || !replaced_.empty();
}

bool Rescan::any_renumbered(const topology::PciTree& tree) {
    constexpr std::uint32_t below = 0x00ffff00;  // secondary and subordinate
    std::vector<platform::PciFunction> places;
    for (const topology::PciFunction& function : tree.functions)
        if (function.is_bridge) places.push_back(function_at(function.address));
    std::vector<std::uint32_t> numbers(places.size());
    config_.read(places, offset::bus_numbers, numbers);
    bool renumbered = false;
    for (std::size_t i = 0; i < places.size(); ++i) {
        const auto [segment, bus, devfn] = places[i];
        const topology::PciAddress address{segment, bus, std::uint8_t(devfn >> 3), std::uint8_t(devfn & 7)};
        if (numbers[i] == absent) continue;
        const auto [at, first] = bus_numbers_.try_emplace(address, numbers[i] & below);
        renumbered = renumbered || at->second != (numbers[i] & below);
        at->second = numbers[i] & below;
    }
    return renumbered;
}

std::vector<Rescan::Bus> Rescan::buses_to_look_at(const topology::PciTree& tree) {
    std::set<Bus> used;
    for (const topology::PciFunction& function : tree.functions) {
        if (used.size() >= most_used_buses) break;
        used.insert({function.address.segment, function.address.bus});
        if (function.secondary != 0) used.insert({function.address.segment, function.secondary});
    }
    for (std::size_t i = 0; i < std::min(buses_per_look, buses_.size()); ++i) {
        used.insert(buses_[next_bus_]);
        next_bus_ = (next_bus_ + 1) % buses_.size();
    }
    return {used.begin(), used.end()};
}

bool Rescan::any_new(const topology::PciTree& tree) {
    std::vector<platform::PciFunction> places;
    for (const Bus& bus : buses_to_look_at(tree))
        for (unsigned slot = 0; slot < slots_per_bus; ++slot)
            places.push_back({bus.segment, bus.number, std::uint8_t(slot << 3)});
    std::vector<std::uint32_t> ids(places.size());
    config_.read(places, offset::id, ids);
    for (std::size_t i = 0; i < ids.size(); ++i) {
        const auto [segment, bus, devfn] = places[i];
        const bool answers = ids[i] != absent && ids[i] != 0 && std::uint16_t(ids[i]) != 0xffff;
        if (answers && tree.find({segment, bus, std::uint8_t(devfn >> 3), 0}) == nullptr) return true;
    }
    return false;
}

}  // namespace smmu::pci
