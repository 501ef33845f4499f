// SPDX-License-Identifier: Apache-2.0
#include "pci/function_reader.hpp"

#include "pci/config_space.hpp"

namespace smmu::pci {
namespace {

using topology::PciFunction;
using Header = std::array<std::uint32_t, 64>;

constexpr std::uint16_t ats_enable = 1 << 15;
constexpr std::uint16_t page_request_enable = 1 << 0;
constexpr std::uint16_t pasid_enable = 1 << 0;

topology::PcieType pcie_type(std::uint32_t value) {
    const auto type = (value >> 20) & 0xf;
    // 2 and 3, and 11 to 15, are not defined: such a function is judged like a plain endpoint
    // without ACS.
    if (type == 2 || type == 3 || type > 10) return topology::PcieType::endpoint;
    return topology::PcieType(type);
}

void read_capabilities(platform::PciConfig& config, const Header& header, FunctionFacts& facts) {
    PciFunction& function = facts.function;
    const auto at = function_at(function.address);
    for_each_capability(header, [&](std::uint8_t id, std::uint16_t where) {
        switch (Capability(id)) {
            case Capability::msi:
            case Capability::msix:
                function.message_interrupts = true;
                break;
            case Capability::pcie:
                function.pcie_offset = where;
                function.type = pcie_type(header[where / 4u]);
                // Device Capabilities, bit 28: function level reset.
                if (where + 4u < 256)
                    function.function_reset |= (header[where / 4u + 1] & (1u << 28)) != 0;
                break;
            case Capability::advanced_features:
                function.advanced_features_offset = where;
                // AF Capabilities, byte 3 of its first dword: bit 1 says that it can reset.
                function.function_reset |= (header[where / 4u] & (1u << 25)) != 0;
                break;
        }
    });
    if (function.pcie_offset == 0) return;  // extended space belongs to PCI Express
    for_each_extended_capability(config, at, [&](std::uint16_t id, std::uint16_t where) {
        if (where > 4096 - 8) return;
        switch (ExtendedCapability(id)) {
            case ExtendedCapability::access_control:
                function.access_control.offset = where;
                break;
            case ExtendedCapability::alternative_routing:
                // ARI Capability, bits 15:8: the next function.
                facts.next_function = std::uint8_t(config.read32(at, std::uint16_t(where + 4)) >> 8);
                break;
            case ExtendedCapability::ats:
                function.ats.offset = where;
                break;
            case ExtendedCapability::page_request:
                function.page_request.offset = where;
                break;
            case ExtendedCapability::pasid:
                function.pasid.offset = where;
                break;
        }
    });
}

std::vector<Bar> read_bars(const Header& header, bool is_bridge) {
    std::vector<Bar> bars;
    const unsigned count = is_bridge ? 2 : 6;
    for (unsigned i = 0; i < count; ++i) {
        const std::uint32_t low = header[offset::first_bar / 4u + i];
        if ((low & 1) != 0) continue;  // I/O ports
        Bar bar{low & ~0xfu, (low & 6) == 4};
        if (bar.wide) {
            if (++i == count)
                break;  // an upper half that is not there: not a register that answers
            bar.base |= std::uint64_t(header[offset::first_bar / 4u + i]) << 32;
        }
        if (bar.base != 0) bars.push_back(bar);
    }
    return bars;
}

std::vector<BridgeWindow> read_windows(const Header& header) {
    std::vector<BridgeWindow> windows;
    const auto add = [&](std::uint64_t first, std::uint64_t last) {
        if (first <= last) windows.push_back({{PhysAddr{first}, PhysAddr{last}}});
    };
    const std::uint32_t plain = header[offset::memory_window / 4];
    add(std::uint64_t(plain & 0xfff0) << 16, std::uint64_t(plain & 0xfff00000) | 0xfffff);
    const std::uint32_t prefetchable = header[offset::prefetchable_window / 4];
    const bool wide = (prefetchable & 0xf) == 1;
    const std::uint64_t base_high = wide ? std::uint64_t(header[0x28 / 4]) << 32 : 0;
    const std::uint64_t limit_high = wide ? std::uint64_t(header[0x2c / 4]) << 32 : 0;
    add(base_high | std::uint64_t(prefetchable & 0xfff0) << 16,
        limit_high | (prefetchable & 0xfff00000) | 0xfffff);
    return windows;
}

void take_command(std::uint32_t command_status, PciFunction& function) {
    function.bus_master = (command_status & command::bus_master) != 0;
    function.memory_decode = (command_status & command::memory_decode) != 0;
}

// What lies in the function's own capabilities: ACS, ATS, PRI, PASID.
void read_enables(platform::PciConfig& config, PciFunction& function) {
    const auto at = function_at(function.address);
    const auto half = [&](std::uint16_t where, bool upper) {
        const std::uint32_t value = config.read32(at, where);
        return std::uint16_t(upper ? value >> 16 : value);
    };
    if (auto& access = function.access_control; access.offset != 0) {
        const std::uint32_t value = config.read32(at, std::uint16_t(access.offset + 4));
        access.supported = std::uint16_t(value & 0x7f);
        access.enabled = std::uint16_t((value >> 16) & 0x7f);
    }
    // ATS: control in the upper half of its second dword; the other two likewise, with their enable
    // in bit 0.
    if (function.ats.offset != 0)
        function.ats.enabled =
            (half(std::uint16_t(function.ats.offset + 4), true) & ats_enable) != 0;
    if (function.page_request.offset != 0)
        function.page_request.enabled =
            (half(std::uint16_t(function.page_request.offset + 4), false) & page_request_enable) !=
            0;
    if (function.pasid.offset != 0)
        function.pasid.enabled =
            (half(std::uint16_t(function.pasid.offset + 4), true) & pasid_enable) != 0;
}

}  // namespace

void read_back(platform::PciConfig& config, std::span<PciFunction> functions) {
    std::vector<platform::PciFunction> places;
    for (const PciFunction& function : functions) places.push_back(function_at(function.address));
    std::vector<std::uint32_t> commands(places.size());
    config.read(places, offset::command, commands);
    for (std::size_t i = 0; i < places.size(); ++i) {
        take_command(commands[i], functions[i]);
        read_enables(config, functions[i]);
    }
}

std::optional<FunctionFacts> read_function(platform::PciConfig& config,
                                           const topology::PciAddress& address) {
    Header header{};
    config.read(function_at(address), 0, header);
    if (header[0] == absent || std::uint16_t(header[0]) == 0xffff || header[0] == 0)
        return std::nullopt;
    FunctionFacts facts;
    PciFunction& function = facts.function;
    function.address = address;
    function.vendor = std::uint16_t(header[0]);
    function.device = std::uint16_t(header[0] >> 16);
    function.class_code = header[offset::class_revision / 4] >> 8;
    const auto header_type = std::uint8_t(header[offset::header_type / 4] >> 16);
    function.multifunction = (header_type & 0x80) != 0;
    function.is_bridge = (header_type & 0x7f) == 1 || (header_type & 0x7f) == 2;
    if (function.is_bridge) {
        function.secondary = std::uint8_t(header[offset::bus_numbers / 4] >> 8);
        function.subordinate = std::uint8_t(header[offset::bus_numbers / 4] >> 16);
    }
    read_capabilities(config, header, facts);
    take_command(header[offset::command / 4], function);
    read_enables(config, function);
    if ((header_type & 0x7f) <= 1) facts.bars = read_bars(header, function.is_bridge);
    if ((header_type & 0x7f) == 1) facts.windows = read_windows(header);
    return facts;
}

bool is_itself(platform::PciConfig& config, const topology::PciFunction& function) {
    return config.read32(function_at(function.address), offset::id) == id_of(function);
}

}  // namespace smmu::pci
