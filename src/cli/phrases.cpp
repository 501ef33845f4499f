// SPDX-License-Identifier: Apache-2.0
#include "cli/phrases.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace smmu::cli {

namespace {

bool begins_character(char byte) { return (static_cast<unsigned char>(byte) & 0xc0) != 0x80; }

}  // namespace

std::size_t columns_of(std::string_view text) { return std::size_t(std::ranges::count_if(text, begins_character)); }

std::string cut(std::string_view text, std::size_t columns) {
    if (columns_of(text) <= columns) return std::string(text);
    std::size_t kept = 0, end = 0;
    for (; end < text.size(); ++end)
        if (begins_character(text[end]) && ++kept == columns) break;
    return std::string(text.substr(0, end)) + "…";
}

std::string exact_amount(std::uint64_t bytes) {
    for (const auto& [shift, unit] : {std::pair{30, "GiB"}, {20, "MiB"}, {10, "KiB"}})
        if (bytes != 0 && bytes % (std::uint64_t{1} << shift) == 0) return fmt::format("{} {}", bytes >> shift, unit);
    return counted(bytes, "byte", "bytes");
}

std::string counted(std::uint64_t number, std::string_view one, std::string_view many) {
    return fmt::format("{} {}", number, number == 1 ? one : many);
}

std::string range_text(std::uint64_t first, std::uint64_t last) {
    return fmt::format("{:#x}-{:#x} ({})", first, last, exact_amount(last - first + 1));
}

std::string owner_text(const report::Owner& owner) {
    if (owner.pid == 0) return "-";
    const std::string who = owner.command.empty() ? fmt::format("pid {}", owner.pid)
                                                  : fmt::format("{} (pid {})", owner.command, owner.pid);
    return fmt::format("{} object {}", who, owner.object);
}

std::string access_words(std::string_view letters) {
    std::string text;
    for (const char letter : letters) {
        if (!text.empty()) text += " and ";
        text += letter == 'r' ? "read" : letter == 'w' ? "write" : "execute";
    }
    return text.empty() ? "nothing" : text;
}

Opened opened(const report::Status& status, const report::Device& device) {
    Opened bytes;
    for (const report::FirmwareGrant& grant : device.grants) {
        if (!grant.honoured) continue;
        const std::uint64_t length = grant.last - grant.first + 1;
        (grant.kind == "startup" ? bytes.startup : grant.kind == "doorbell" ? bytes.doorbell : bytes.reserved) += length;
    }
    if (const report::Object* object = object_of(status, device))
        for (const report::Mapping& mapping : object->mappings) bytes.granted += mapping.last - mapping.first + 1;
    return bytes;
}

std::string open_text(const report::Status& status, const report::Device& device) {
    if (device.state == "behind no unit" || device.state == "not contained") return "everything";
    if (device.state == "gone") return "nothing: it is gone";
    if (device.state == "host") return "all but protected memory";
    if (device.state == "failed") return "unknown: its unit failed";
    const Opened opened = cli::opened(status, device);
    std::string text;
    const auto add = [&](const char* what, std::uint64_t bytes) {
        if (bytes != 0) text += fmt::format("{}{} {}", text.empty() ? "" : ", ", what, report::amount(bytes));
    };
    add("startup", opened.startup);
    add("reserved", opened.reserved);
    add("doorbell", opened.doorbell);
    add("grants", opened.granted);
    return text.empty() ? "nothing" : text;
}

bool is_about(const report::Superseded& lost, const report::Device& device) {
    if (lost.unit.empty()) return lost.device == device.id;
    return std::ranges::find(device.streams, lost.unit, &report::Stream::unit) != device.streams.end();
}

bool is_about(const report::Event& refusal, const report::Device& device) {
    return refusal.device == device.id;
}

const report::Object* object_of(const report::Status& status, const report::Device& device) {
    if (device.owner.pid == 0) return nullptr;
    const auto at = std::ranges::find(status.objects, device.owner.object, &report::Object::id);
    return at != status.objects.end() ? &*at : nullptr;
}

const report::Device* device_named(const report::Status& status, std::string_view id) {
    const auto at = std::ranges::find(status.devices, id, &report::Device::id);
    return at != status.devices.end() ? &*at : nullptr;
}

std::string_view group_reason(const report::Status& status, std::uint32_t group) {
    const auto at = std::ranges::find(status.groups, group, &report::Group::id);
    return at != status.groups.end() ? std::string_view(at->reason) : std::string_view();
}

std::vector<const report::Device*> members(const report::Status& status, std::uint32_t group) {
    std::vector<const report::Device*> found;
    for (const report::Device& device : status.devices)
        if (device.group == group) found.push_back(&device);
    return found;
}

std::size_t unit_index(const report::Status& status, std::string_view name) {
    return std::size_t(std::ranges::find(status.units, name, &report::Unit::name) - status.units.begin());
}

std::string stream_number(const report::Stream& stream) {
    return stream.cache.empty() ? fmt::format("{:04x}", stream.id) : fmt::format("{}.{}", stream.cache, stream.id);
}

std::string unit_tag(const report::Status& status, const report::Device& device) {
    if (device.streams.empty()) return "no unit";
    const report::Stream& first = device.streams.front();
    std::string text = fmt::format("U{} {}", unit_index(status, first.unit), stream_number(first));
    if (device.streams.size() > 1) text += fmt::format(" +{}", device.streams.size() - 1);
    return text;
}

}  // namespace smmu::cli
