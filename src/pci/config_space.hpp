// SPDX-License-Identifier: Apache-2.0
// Configuration space: register offsets, and the walks over capability lists (PCIe Base 7.5,
// PCI 3.0 chapter 6). A list is foreign data: its walks are bounded, so a list that leads back into
// itself ends.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "platform/platform.hpp"
#include "topology/pci_tree.hpp"

namespace smmu::pci {

namespace offset {
inline constexpr std::uint16_t id = 0x00;
inline constexpr std::uint16_t command = 0x04;
inline constexpr std::uint16_t class_revision = 0x08;
inline constexpr std::uint16_t header_type = 0x0c;  // byte 2 of the dword
inline constexpr std::uint16_t first_bar = 0x10;
inline constexpr std::uint16_t bus_numbers = 0x18;
inline constexpr std::uint16_t memory_window = 0x20;
inline constexpr std::uint16_t prefetchable_window = 0x24;
inline constexpr std::uint16_t capabilities = 0x34;
inline constexpr std::uint16_t extended_capabilities = 0x100;
}  // namespace offset

namespace command {
inline constexpr std::uint32_t memory_decode = 1 << 1;
inline constexpr std::uint32_t bus_master = 1 << 2;
inline constexpr std::uint32_t capability_list = 1u << 20;  // in the status half of the dword
}  // namespace command

enum class Capability : std::uint8_t {
    msi = 0x05,
    pcie = 0x10,
    msix = 0x11,
    advanced_features = 0x13
};
enum class ExtendedCapability : std::uint16_t {
    access_control = 0x0d,
    alternative_routing = 0x0e,
    ats = 0x0f,
    page_request = 0x13,
    pasid = 0x1b
};

inline constexpr std::uint32_t absent = 0xffffffff;  // what reads where nothing answers

inline platform::PciFunction function_at(const topology::PciAddress& address) {
    return {address.segment, address.bus, address.devfn()};
}

// Calls `found(id, offset)` for each conventional capability of a function whose first 256 bytes
// are `header`.
template <class Found>
void for_each_capability(std::span<const std::uint32_t, 64> header, Found found) {
    if ((header[offset::command / 4] & command::capability_list) == 0) return;
    std::uint8_t at = std::uint8_t(header[offset::capabilities / 4] & 0xfc);
    constexpr int most = (256 - 64) / 4;  // each takes at least a dword behind the header
    for (int i = 0; i < most && at >= 0x40; ++i) {
        const std::uint32_t value = header[at / 4u];
        if (value == absent) return;
        found(std::uint8_t(value), std::uint16_t(at));
        at = std::uint8_t((value >> 8) & 0xfc);
    }
}

// The same for the extended ones, read one by one.
template <class Found>
void for_each_extended_capability(platform::PciConfig& config, platform::PciFunction function,
                                  Found found) {
    std::uint16_t at = offset::extended_capabilities;
    constexpr int most = (4096 - 256) / 8;  // each takes at least two dwords
    for (int i = 0; i < most && at >= offset::extended_capabilities; ++i) {
        const std::uint32_t value = config.read32(function, at);
        if (value == absent || value == 0) return;
        found(std::uint16_t(value), at);
        at = std::uint16_t((value >> 20) & 0xffc);
    }
}

}  // namespace smmu::pci
