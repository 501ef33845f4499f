// SPDX-License-Identifier: Apache-2.0
#include "firmware/tree_streams.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace smmu::firmware {

using topology::Severity;

namespace {

constexpr std::size_t msi_entry_cells = 4;  // requester id, controller, its id, length

}  // namespace

std::optional<std::size_t> TreeStreams::unit_at(std::uint32_t phandle) const {
    const auto node = tree_.by_phandle(phandle);
    const auto at = node ? unit_index_.find(*node) : unit_index_.end();
    if (at == unit_index_.end() || units_[at->second].stream_cells > most_stream_cells) return std::nullopt;
    return at->second;
}

TreeStream TreeStreams::stream_of(std::size_t unit, std::span<const std::uint32_t> cells) const {
    if (cells.empty()) return {unit, 0, 0};
    if (units_[unit].kind != topology::UnitKind::smmuv2) return {unit, cells[0], 0};
    // SMMUv2: 16 bits of id, and the mask in a second cell, in the upper half of the first, or the same for all.
    const std::uint32_t own = cells.size() > 1 ? cells[1] : units_[unit].stream_mask;
    return {unit, cells[0] & 0xffff, (cells[0] >> 16) | (own & 0xffff)};
}

TreeStreams::Streams TreeStreams::iommus(Node node) const {
    const Cells cells = tree_.cells(node, "iommus");
    Streams found;
    const auto stop = [&](std::string text) {
        found.complete = false;
        findings_.add("dtb-iommus-bad", Severity::error, node,
                      text + " What stands behind it is dropped: those streams stay blocked unless a use clause gives them.");
    };
    std::size_t i = 0;
    while (i < cells.size()) {
        const auto unit = unit_at(cells[i]);
        if (!unit) {
            stop(fmt::format("iommus refers to {:#x}, which is no unit.", cells[i]));
            return found;
        }
        const std::size_t count = units_[*unit].stream_cells;
        if (cells.size() - i - 1 < count) {
            stop("iommus ends inside an entry.");
            return found;
        }
        std::array<std::uint32_t, most_stream_cells> specifier{};
        for (std::size_t k = 0; k < count; ++k) specifier[k] = cells[i + 1 + k];
        i += 1 + count;
        if (unit_index_.contains(node) && unit_index_.at(node) == *unit) {
            findings_.add("dtb-unit-own-master", Severity::error, node,
                          "A unit is said to stand behind itself; its own accesses are not translated.");
            continue;
        }
        found.streams.push_back(stream_of(*unit, std::span(specifier).first(count)));
    }
    if (cells.ragged()) stop("iommus is no list of whole cells.");
    return found;
}

TreeStreams::Entries TreeStreams::entries_of(const Cells& cells, bool by_unit) const {
    Entries found;
    std::size_t i = 0;
    while (i < cells.size()) {
        const auto unit = cells.size() - i >= 2 ? unit_at(cells[i + 1]) : std::nullopt;
        const std::size_t count = !unit ? 0 : by_unit ? units_[*unit].stream_cells : std::min(units_[*unit].stream_cells, 1u);
        if (!unit || cells.size() - i < 3 + count || found.entries.size() == most_map_entries) {
            found.whole = false;
            return found;
        }
        std::array<std::uint32_t, most_stream_cells> specifier{};
        for (std::size_t k = 0; k < count; ++k) specifier[k] = cells[i + 2 + k];
        found.entries.push_back({cells[i], cells[i + 2 + count], stream_of(*unit, std::span(specifier).first(count))});
        i += 3 + count;
    }
    found.whole = !cells.ragged();
    return found;
}

std::optional<StreamMap> TreeStreams::checked(Node node, const Entry& entry, std::uint32_t largest_input) const {
    const auto say = [&](std::string_view id, Severity severity, std::string_view what) {
        findings_.add(id, severity, node, fmt::format("An iommu-map entry from {:#x} with {:#x} ids {}", entry.first, entry.length, what));
    };
    if (entry.length == 0) {
        say("dtb-map-empty", Severity::note, "maps nothing.");
        return std::nullopt;
    }
    if (entry.first > largest_input) {
        say("dtb-map-out-of-reach", Severity::note, "begins where no id of this bus lies; it is dropped.");
        return std::nullopt;
    }
    std::uint32_t more = entry.length - 1;
    if (more > largest_input - entry.first) {
        say("dtb-map-too-long", Severity::warning, "reaches beyond the ids of this bus; it is cut there.");
        more = largest_input - entry.first;
    }
    if (more > ~std::uint32_t{0} - entry.stream.id) {
        say("dtb-map-wraps", Severity::error, "wraps past the last stream; it is dropped, and its devices stay blocked.");
        return std::nullopt;
    }
    return StreamMap{entry.first, entry.first + more, entry.stream};
}

void TreeStreams::report_overlaps(Node node, std::vector<StreamMap> maps) const {
    std::ranges::sort(maps, {}, &StreamMap::first);
    std::uint64_t free = 0;  // the first id behind all entries so far
    for (const StreamMap& map : maps) {
        if (map.first < free)
            findings_.add("dtb-map-overlap", Severity::warning, node,
                          fmt::format("Several iommu-map entries have the id {:#x}; the first one written counts.", map.first));
        free = std::max(free, std::uint64_t{map.last} + 1);
    }
}

TreeStreams::Maps TreeStreams::iommu_map(Node node, std::uint32_t largest_input) const {
    const Cells cells = tree_.cells(node, "iommu-map");
    if (cells.size() == 0 && !cells.ragged()) return {};
    Entries entries = entries_of(cells, true);
    const Entries plain = entries_of(cells, false);
    Maps found;
    if (entries.whole && plain.whole && entries.entries != plain.entries) {
        findings_.add("dtb-map-ambiguous", Severity::error, node,
                      "iommu-map can be read with one cell for each stream and with as many as its unit wants; it is dropped, and "
                      "its devices stay blocked unless use clauses give their streams.");
        return {{}, false};
    }
    if (!entries.whole && plain.whole) entries = plain;
    if (!entries.whole) {
        findings_.add("dtb-map-bad", Severity::error, node,
                      "iommu-map ends inside an entry, refers to what is no unit or has too many entries; what stands behind that is "
                      "dropped, and its devices stay blocked unless use clauses give their streams.");
        found.complete = false;
    }
    for (const Entry& entry : entries.entries)
        if (const auto map = checked(node, entry, largest_input)) found.maps.push_back(*map);
    report_overlaps(node, found.maps);
    return found;
}

std::vector<MsiMap> TreeStreams::msi_map(Node node) const {
    const Cells cells = tree_.cells(node, "msi-map");
    std::vector<MsiMap> maps;
    bool sound = cells.size() % msi_entry_cells == 0 && !cells.ragged() && cells.size() / msi_entry_cells <= most_map_entries;
    const std::size_t entries = std::min(cells.size() / msi_entry_cells, most_map_entries);
    for (std::size_t i = 0; i < entries; ++i) {
        const std::uint32_t first = cells[msi_entry_cells * i], length = cells[msi_entry_cells * i + 3];
        const auto controller = tree_.by_phandle(cells[msi_entry_cells * i + 1]);
        const auto at = controller ? msi_index_.find(*controller) : msi_index_.end();
        if (at == msi_index_.end() || length == 0 || length - 1 > ~std::uint32_t{0} - first)
            sound = false;
        else
            maps.push_back({first, first + (length - 1), at->second});
    }
    if (!sound)
        findings_.add("dtb-msi-map-bad", Severity::warning, node,
                      "msi-map has entries that are cut, empty or name no controller of message interrupts; those are dropped.");
    return maps;
}

std::vector<std::size_t> TreeStreams::msi_parents(Node node) const {
    const Cells cells = tree_.cells(node, "msi-parent");
    std::vector<std::size_t> controllers;
    std::size_t i = 0;
    while (i < cells.size()) {
        const auto parent = tree_.by_phandle(cells[i]);
        if (!parent) break;  // where the next entry begins is not known; without a doorbell interrupts stay away, nothing opens
        const auto at = msi_index_.find(*parent);
        if (at != msi_index_.end() && std::ranges::find(controllers, at->second) == controllers.end())
            controllers.push_back(at->second);
        i += 1 + std::size_t{std::min(tree_.number(*parent, "#msi-cells").value_or(0), std::uint32_t{most_stream_cells})};
    }
    return controllers;
}

}  // namespace smmu::firmware
