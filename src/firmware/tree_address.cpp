// SPDX-License-Identifier: Apache-2.0
#include "firmware/tree_address.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace smmu::firmware {
namespace {

using Node = FlatTree::Node;

// An address of a bus, or of what lies above it, with the bytes from there on.
struct Span {
    std::uint64_t first;
    std::uint64_t length;  // not 0
};

// One step up: from the addresses of `bus` to those of the bus above it. Nothing when it is no window of them.
std::optional<Span> one_bus_up(const FlatTree& tree, Node bus, Node above, Span span) {
    if (!tree.has(bus, "ranges")) return std::nullopt;  // its addresses are none of the processors'
    const Cells ranges = tree.cells(bus, "ranges");
    if (ranges.size() == 0) return span;  // the same addresses
    const auto child = bus_cells(tree, bus);
    const auto parent = bus_cells(tree, above);
    if (!child || !parent) return std::nullopt;
    const std::size_t stride = child->address + parent->address + child->size;
    const std::size_t windows = std::min(ranges.size() / std::max<std::size_t>(stride, 1), most_bus_windows);
    for (std::size_t i = 0; i < windows; ++i) {
        const auto first = ranges.wide(i * stride, child->address);
        const auto to = ranges.wide(i * stride + child->address, parent->address);
        const auto length = ranges.wide(i * stride + child->address + parent->address, child->size);
        if (!first || !to || !length || span.first < *first) continue;
        const std::uint64_t into = span.first - *first;
        if (into >= *length || span.length > *length - into || *to > ~std::uint64_t{0} - into) continue;
        return Span{*to + into, span.length};
    }
    return std::nullopt;
}

std::optional<PhysRange> to_processors(const FlatTree& tree, Node bus, Span span) {
    std::optional<Span> at = span;
    while (at && bus != FlatTree::root) {
        const Node above = *tree.parent(bus);
        at = one_bus_up(tree, bus, above, *at);
        bus = above;
    }
    return at ? PhysRange::from_length(PhysAddr{at->first}, at->length) : std::nullopt;
}

}  // namespace

std::optional<BusCells> bus_cells(const FlatTree& tree, Node bus) {
    const BusCells cells{tree.number(bus, "#address-cells").value_or(2), tree.number(bus, "#size-cells").value_or(1)};
    if (cells.address == 0 || cells.address > most_address_cells || cells.size > most_size_cells) return std::nullopt;
    return cells;
}

TreeRegisters registers_of(const FlatTree& tree, Node node) {
    const auto bus = tree.parent(node);
    const Cells reg = tree.cells(node, "reg");
    if (!bus || reg.size() == 0) return {};
    const auto cells = bus_cells(tree, *bus);
    if (!cells) return {{}, fmt::format("the cell counts of {} are wrong", tree.path(*bus))};
    if (cells->size == 0) return {};  // numbers on a bus, no memory
    TreeRegisters found;
    const std::size_t stride = cells->address + cells->size;
    if (reg.ragged() || reg.size() % stride != 0) found.fault = "reg ends inside an entry";
    std::size_t entries = reg.size() / stride;
    if (entries > most_registers) {
        found.fault = fmt::format("reg has {} entries, more than the {} that are read", entries, most_registers);
        entries = most_registers;
    }
    for (std::size_t i = 0; i < entries; ++i) {
        const auto first = reg.wide(i * stride, cells->address);
        const auto length = reg.wide(i * stride + cells->address, cells->size);
        if (length == 0) continue;
        const auto range = first && length ? to_processors(tree, *bus, {*first, *length}) : std::nullopt;
        if (range)
            found.ranges.push_back(*range);
        else
            found.fault = "an entry of reg is not reached through the ranges of its buses";
    }
    return found;
}

}  // namespace smmu::firmware
