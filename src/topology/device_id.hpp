// SPDX-License-Identifier: Apache-2.0
// DeviceId: how a device is named: a PCI function, the registers of a memory-mapped block, or a path in the ACPI name space.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/ids.hpp"
#include "base/range.hpp"

namespace smmu::topology {

struct PciAddress {
    std::uint16_t segment = 0;
    std::uint8_t bus = 0;
    std::uint8_t device = 0;    // 0..31
    std::uint8_t function = 0;  // 0..7

    friend auto operator<=>(const PciAddress&, const PciAddress&) = default;
    constexpr std::uint8_t devfn() const { return std::uint8_t(device << 3 | function); }
    // What the function puts on the bus as requester.
    constexpr StreamId requester_id() const { return StreamId(std::uint32_t(bus) << 8 | devfn()); }
};

struct MmioBlock {
    PhysAddr base;
    std::uint64_t length = 0;  // 0: not known
    friend auto operator<=>(const MmioBlock&, const MmioBlock&) = default;
};

// Firmware says through which unit its DMA goes but not where its registers are, so no driver can claim it.
struct AcpiName {
    std::string path;  // "\\_SB.GPU0"
    friend auto operator<=>(const AcpiName&, const AcpiName&) = default;
};

using DeviceId = std::variant<PciAddress, MmioBlock, AcpiName>;

// "0000:00:03.0" (hexadecimal, as lspci), "mem:0xe6ef0000,0x1000" or "acpi:\\_SB.GPU0".
std::string to_string(const DeviceId& id);
// "pci:0:3.0" (decimal, as QNX writes it; segment only when not 0); the other forms as above.
std::string qnx_form(const DeviceId& id);
// Reads any of these forms. An error says what is wrong and, for "pci:3b:...", the decimal form
// that was meant.
struct DeviceIdError {
    std::string text;
};
std::variant<DeviceId, DeviceIdError> parse_device_id(std::string_view text);

}  // namespace smmu::topology
