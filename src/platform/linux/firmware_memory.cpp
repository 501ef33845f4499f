// SPDX-License-Identifier: Apache-2.0
#include "platform/linux/firmware_memory.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <vector>

namespace smmu::platform::linux {

namespace {

constexpr std::string_view folder = "/sys/firmware/memmap";

// "0x100000\n"
Result<PhysAddr> address(const HostFiles& files, const std::string& file) {
    SMMU_TRY(const std::string said, files.text(file));
    std::uint64_t value = 0;
    const bool prefixed = said.starts_with("0x");
    if (!prefixed || std::from_chars(said.data() + 2, said.data() + said.size(), value, 16).ec != std::errc{})
        return fail(EINVAL, fmt::format("{}: not an address", file));
    return PhysAddr{value};
}

// Ascending. What is said of one entry must make sense, or nothing of it counts.
Result<std::vector<PhysRange>> memory(const HostFiles& files) {
    SMMU_TRY(const auto entries, files.listing(folder));
    std::vector<PhysRange> ranges;
    for (const std::string& entry : entries) {
        const std::string at = fmt::format("{}/{}", folder, entry);
        SMMU_TRY(const std::string type, files.text(at + "/type"));
        if (!type.starts_with("System RAM")) continue;
        SMMU_TRY(const PhysAddr first, address(files, at + "/start"));
        SMMU_TRY(const PhysAddr last, address(files, at + "/end"));
        if (last < first) return fail(EINVAL, fmt::format("{}: ends before it begins", at));
        ranges.push_back({first, last});
    }
    std::ranges::sort(ranges);
    return ranges;
}

}  // namespace

Result<void> check_is_memory(const HostFiles& files, PhysRange range) {
    const auto ranges = memory(files);
    if (!ranges)
        return fail(EPERM, fmt::format("nobody says whether {:#x}-{:#x} is memory ({}); say `tables SIZE`, which takes huge pages",
                                       range.first.value, range.last.value, ranges.error().text));
    PhysAddr next = range.first;  // everything before it is memory
    for (const PhysRange& part : *ranges) {
        if (!part.contains(next)) continue;
        if (part.contains(range.last)) return {};
        next = part.last + 1;
    }
    return fail(EINVAL, fmt::format("{:#x} is no memory of this machine, as firmware describes it; set some aside that is "
                                    "(memmap=LENGTH$START), or say how much instead of where", next.value));
}

}  // namespace smmu::platform::linux
