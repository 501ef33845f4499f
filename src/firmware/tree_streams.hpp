// SPDX-License-Identifier: Apache-2.0
// TreeStreams: the properties that say through which unit, and as what, DMA and interrupt messages of a node go.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "firmware/device_tree.hpp"
#include "firmware/flat_tree.hpp"
#include "firmware/tree_findings.hpp"

namespace smmu::firmware {

class TreeStreams {
public:
    using Node = FlatTree::Node;
    using Index = std::map<Node, std::size_t>;  // of units, of MSI controllers

    TreeStreams(const FlatTree& tree, const std::vector<TreeUnit>& units, const Index& unit_index,
                const Index& msi_index, TreeFindings& findings)
        : tree_(tree), units_(units), unit_index_(unit_index), msi_index_(msi_index), findings_(findings) {}

    struct Streams {
        std::vector<TreeStream> streams;
        bool complete = true;
    };
    Streams iommus(Node node) const;

    struct Maps {
        std::vector<StreamMap> maps;
        bool complete = true;
    };
    // `largest_input`: of ids on this node's bus; entries are cut to it.
    Maps iommu_map(Node node, std::uint32_t largest_input) const;

    std::vector<MsiMap> msi_map(Node node) const;
    std::vector<std::size_t> msi_parents(Node node) const;  // indices of controllers, without repeats

private:
    struct Entry {
        std::uint32_t first, length;
        TreeStream stream;
        friend bool operator==(const Entry&, const Entry&) = default;
    };
    struct Entries {
        std::vector<Entry> entries;
        bool whole = true;  // the property ends with its last entry, and each one names a unit
    };

    std::optional<std::size_t> unit_at(std::uint32_t phandle) const;
    // What cells of a specifier mean for the unit that they are for.
    TreeStream stream_of(std::size_t unit, std::span<const std::uint32_t> cells) const;
    // `by_unit`: as many cells as the unit wants; otherwise one, as trees before Linux 7 write for every unit.
    Entries entries_of(const Cells& cells, bool by_unit) const;
    std::optional<StreamMap> checked(Node node, const Entry& entry, std::uint32_t largest_input) const;
    void report_overlaps(Node node, std::vector<StreamMap> maps) const;

    const FlatTree& tree_;
    const std::vector<TreeUnit>& units_;
    const Index& unit_index_;
    const Index& msi_index_;
    TreeFindings& findings_;
};

}  // namespace smmu::firmware
