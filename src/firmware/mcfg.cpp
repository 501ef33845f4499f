// SPDX-License-Identifier: Apache-2.0
#include "firmware/mcfg.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "firmware/acpi_table.hpp"

namespace smmu::firmware {
namespace {

using topology::Severity;

constexpr std::size_t mcfg_fixed_bytes = 8;
constexpr std::size_t entry_bytes = 16;

bool same_buses(const ConfigWindow& a, const ConfigWindow& b) {
    return a.segment == b.segment && a.first_bus <= b.last_bus && b.first_bus <= a.last_bus;
}

// What is wrong with an entry alone; empty when it is sound.
std::string fault_of(const ConfigWindow& window) {
    if (window.first_bus > window.last_bus) return "its first bus lies behind its last";
    if (!is_aligned(window.base, 20)) return "its base is not at a megabyte";
    if (window.base.value > ~std::uint64_t{0} - (std::uint64_t{256} << 20))
        return "it wraps past the top of memory";
    return {};
}

}  // namespace

Result<Mcfg> parse_mcfg(std::span<const std::byte> bytes) {
    SMMU_TRY(const AcpiTable table, open_table(bytes, "MCFG"));
    Mcfg mcfg;
    const auto finding = [&](std::string_view id, Severity severity, std::size_t offset,
                             std::string text) {
        mcfg.findings.push_back({std::string(id), severity, table.at(offset), std::move(text)});
    };
    const ByteReader body = table.body(mcfg_fixed_bytes);
    constexpr std::size_t start = acpi_header_bytes + mcfg_fixed_bytes;
    for (std::size_t at = 0; at + entry_bytes <= body.size(); at += entry_bytes) {
        const ConfigWindow window{PhysAddr{*body.at<std::uint64_t>(at)},
                                  *body.at<std::uint16_t>(at + 8), *body.at<std::uint8_t>(at + 10),
                                  *body.at<std::uint8_t>(at + 11), table.at(start + at)};
        if (const std::string fault = fault_of(window); !fault.empty()) {
            finding("mcfg-entry-bad", Severity::error, start + at,
                    fmt::format("The window of segment {} is dropped: {}.", window.segment, fault));
            continue;
        }
        const auto overlaps = [&](const ConfigWindow& other) { return same_buses(window, other); };
        if (const auto other = std::ranges::find_if(mcfg.windows, overlaps);
            other != mcfg.windows.end()) {
            finding("mcfg-overlap", Severity::error, start + at,
                    fmt::format("Segment {} has two windows for the same buses; the one at {} is "
                                "used, this one is "
                                "dropped.",
                                window.segment, other->origin.text));
            continue;
        }
        mcfg.windows.push_back(window);
    }
    if (body.size() % entry_bytes != 0)
        finding("mcfg-ragged", Severity::warning, start + body.size() / entry_bytes * entry_bytes,
                fmt::format("{} bytes at the end are no whole entry; they are skipped.",
                            body.size() % entry_bytes));
    return mcfg;
}

}  // namespace smmu::firmware
