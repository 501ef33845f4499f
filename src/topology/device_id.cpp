// SPDX-License-Identifier: Apache-2.0
#include "topology/device_id.hpp"

#include <fmt/format.h>

#include <array>
#include <vector>

#include "topology/number.hpp"

namespace smmu::topology {
namespace {

using Parsed = std::variant<DeviceId, DeviceIdError>;

constexpr std::string_view acpi_prefix = "acpi:";

DeviceIdError wrong(std::string text) {
    return DeviceIdError{std::move(text)};
}

std::string memory_form(const MmioBlock& block) {
    if (block.length == 0) return fmt::format("mem:{:#x}", block.base.value);
    return fmt::format("mem:{:#x},{:#x}", block.base.value, block.length);
}

// Digits of one field, at most `digits` of them, in `radix`, at most `largest`.
std::optional<unsigned> field(std::string_view text, Radix radix, std::size_t digits,
                              unsigned largest) {
    if (text.empty() || text.size() > digits) return std::nullopt;
    for (const char c : text) {
        const bool decimal = c >= '0' && c <= '9';
        const bool letter = (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
        if (!decimal && !(letter && radix == Radix::hexadecimal)) return std::nullopt;
    }
    // Read with a prefix, so that "0d" cannot be taken for one.
    const auto value =
        parse_number((radix == Radix::hexadecimal ? "0x" : "0d") + std::string(text), radix);
    if (!value || *value > largest) return std::nullopt;
    return unsigned(*value);
}

// "a:b:c.d" or "b:c.d" cut into its four fields; segment empty when it is not there.
struct Fields {
    std::string_view segment, bus, device, function;
};

std::optional<Fields> cut(std::string_view text) {
    const auto dot = text.rfind('.');
    if (dot == text.npos) return std::nullopt;
    Fields fields;
    fields.function = text.substr(dot + 1);
    text = text.substr(0, dot);
    const auto second = text.rfind(':');
    if (second == text.npos) return std::nullopt;
    fields.device = text.substr(second + 1);
    text = text.substr(0, second);
    const auto first = text.rfind(':');
    fields.bus = first == text.npos ? text : text.substr(first + 1);
    if (first != text.npos) {
        fields.segment = text.substr(0, first);
        if (fields.segment.empty()) return std::nullopt;
    }
    return fields;
}

std::optional<PciAddress> pci_address(const Fields& fields, Radix radix) {
    const auto segment = fields.segment.empty() ? 0u : field(fields.segment, radix, 5, 0xffff);
    const auto bus = field(fields.bus, radix, 3, 255);
    const auto device = field(fields.device, radix, 2, 31);
    const auto function = field(fields.function, radix, 1, 7);
    if (!segment || !bus || !device || !function) return std::nullopt;
    return PciAddress{std::uint16_t(*segment), std::uint8_t(*bus), std::uint8_t(*device),
                      std::uint8_t(*function)};
}

Parsed parse_qnx(std::string_view text) {
    const auto fields = cut(text.substr(4));
    if (!fields)
        return wrong(
            "expected pci:BUS:DEVICE.FUNCTION or pci:SEGMENT:BUS:DEVICE.FUNCTION in decimal");
    if (const auto address = pci_address(*fields, Radix::decimal)) return DeviceId{*address};
    if (const auto meant = pci_address(*fields, Radix::hexadecimal))
        return wrong("numbers after pci: are decimal; did you mean " + qnx_form(*meant) + "?");
    return wrong(
        "out of range: a segment is at most 65535, a bus 255, a device 31, a function 7 (decimal)");
}

Parsed parse_memory(std::string_view text) {
    text.remove_prefix(4);
    const auto comma = text.find(',');
    const auto base = parse_number(text.substr(0, comma), Radix::hexadecimal);
    if (!base) return wrong("the address after mem: " + base.error());
    MmioBlock block{PhysAddr{*base}, 0};
    if (comma == text.npos) return DeviceId{block};
    const auto length = parse_number(text.substr(comma + 1), Radix::decimal);
    if (!length) return wrong("the length after mem: " + length.error());
    if (!PhysRange::from_length(block.base, *length))
        return wrong(*length == 0 ? "the length after mem: is 0"
                                  : "the block reaches past the top of the address space");
    block.length = *length;
    return DeviceId{block};
}

Parsed parse_acpi(std::string_view text) {
    text.remove_prefix(acpi_prefix.size());
    if (text.empty()) return wrong("expected a path of the ACPI name space right behind acpi:");
    return DeviceId{AcpiName{std::string(text)}};
}

// What no PCI function is.
std::string other_form(const DeviceId& id) {
    if (const auto* block = std::get_if<MmioBlock>(&id)) return memory_form(*block);
    return std::string(acpi_prefix) + std::get_if<AcpiName>(&id)->path;
}

}  // namespace

std::string to_string(const DeviceId& id) {
    if (!std::holds_alternative<PciAddress>(id)) return other_form(id);
    const auto& address = *std::get_if<PciAddress>(&id);
    return fmt::format("{:04x}:{:02x}:{:02x}.{:x}", address.segment, address.bus, address.device,
                       address.function);
}

std::string qnx_form(const DeviceId& id) {
    if (!std::holds_alternative<PciAddress>(id)) return other_form(id);
    const auto& address = *std::get_if<PciAddress>(&id);
    if (address.segment == 0)
        return fmt::format("pci:{}:{}.{}", address.bus, address.device, address.function);
    return fmt::format("pci:{}:{}:{}.{}", address.segment, address.bus, address.device,
                       address.function);
}

std::variant<DeviceId, DeviceIdError> parse_device_id(std::string_view text) {
    if (text.starts_with("pci:")) return parse_qnx(text);
    if (text.starts_with("mem:")) return parse_memory(text);
    if (text.starts_with(acpi_prefix)) return parse_acpi(text);
    const auto fields = cut(text);
    if (fields && fields->segment.size() == 4 && fields->bus.size() == 2 &&
        fields->device.size() == 2) {
        if (const auto address = pci_address(*fields, Radix::hexadecimal))
            return DeviceId{*address};
        return wrong("out of range: a bus is at most ff, a device 1f, a function 7 (hexadecimal)");
    }
    return wrong("expected a device id such as pci:0:18.0, 0000:00:12.0 or mem:0xe6ef0000");
}

}  // namespace smmu::topology
