// SPDX-License-Identifier: Apache-2.0
#include "platform/linux/physical_map.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

namespace smmu::platform::linux {

namespace {

constexpr std::string_view memory_name = "System RAM";  // also "System RAM (kmem)"

bool is_memory(std::string_view name) { return name.starts_with(memory_name); }
bool is_reserved(std::string_view name) { return name == "Reserved" || name == "reserved"; }

std::optional<std::uint64_t> take_number(std::string_view& text) {
    std::uint64_t value = 0;
    const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
    if (problem != std::errc{}) return std::nullopt;
    text.remove_prefix(std::size_t(end - text.data()));
    return value;
}

bool take(std::string_view& text, std::string_view expected) {
    if (!text.starts_with(expected)) return false;
    text.remove_prefix(expected.size());
    return true;
}

// "  fed90000-fed90fff : dmar0"; what is left is the name.
std::optional<PhysRange> take_range(std::string_view& line) {
    line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
    const auto first = take_number(line);
    if (!first || !take(line, "-")) return std::nullopt;
    const auto last = take_number(line);
    if (!last || *last < *first || !take(line, " : ")) return std::nullopt;
    return PhysRange{{*first}, {*last}};
}

}  // namespace

Result<PhysicalMap> PhysicalMap::parse(std::string_view text) {
    PhysicalMap map;
    bool any_address = false;
    while (!text.empty()) {
        std::string_view line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(line.size() + 1, text.size()));
        if (line.empty()) continue;
        const auto range = take_range(line);
        if (!range) return fail(EINVAL, fmt::format("/proc/iomem: \"{}\" is not a range with a name", line));
        any_address = any_address || range->last.value != 0;
        map.areas_.push_back({*range, std::string(line)});
    }
    if (!any_address)
        return fail(EPERM, "/proc/iomem: the kernel hides its addresses, or shows none; run smmuman as root with CAP_SYS_ADMIN");
    return map;
}

std::vector<PhysRange> PhysicalMap::ram() const {
    std::vector<PhysRange> ranges;
    for (const Area& area : areas_)
        if (is_memory(area.name)) ranges.push_back(area.range);
    std::ranges::sort(ranges);
    return ranges;
}

Result<void> PhysicalMap::check_set_aside(PhysRange range) const {
    for (const Area& area : areas_)
        if (area.range.overlaps(range) && !is_reserved(area.name))
            return fail(EINVAL, fmt::format("{:#x}-{:#x} is not set aside: {:#x}-{:#x} there is \"{}\"; reserve it at the kernel's start "
                                            "(memmap=LENGTH$START) or say how much instead of where",
                                            range.first.value, range.last.value, area.range.first.value, area.range.last.value,
                                            area.name));
    return {};
}

std::optional<std::string> PhysicalMap::kernel_unit(PhysRange range) const {
    const auto is_unit = [&](const Area& area) { return area.range.overlaps(range) && area.name.starts_with("dmar"); };
    const auto found = std::ranges::find_if(areas_, is_unit);
    return found == areas_.end() ? std::nullopt : std::optional(found->name);
}

}  // namespace smmu::platform::linux
