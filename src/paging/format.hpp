// SPDX-License-Identifier: Apache-2.0
// Format: what the engine must know of one hardware page-table layout. The layout is compile time; what
// differs between two units of one machine (widths, leaf sizes, coherency) is the Geometry of each table.
// Level 0 is the leaf table, whatever the manual says; sizes are log2.
#pragma once

#include <concepts>
#include <cstdint>

#include "base/access.hpp"
#include "base/address.hpp"
#include "memory/coherency.hpp"

namespace smmu::paging {

struct Geometry {
    unsigned levels;           // tables from root to leaf table
    unsigned input_bits;       // device addresses below 2^input_bits
    std::uint64_t leaf_sizes;  // bit n set: leaves of 2^n bytes are allowed
    memory::Coherency coherency;
};

template <class F>
concept Format = requires(typename F::Entry entry, PhysAddr address, Access access, unsigned level) {
    requires std::unsigned_integral<typename F::Entry>;
    // log2 of the entries of a table at `level`; of the bytes one entry at `level` spans.
    { F::index_bits(level) } -> std::same_as<unsigned>;
    { F::span_log2(level) } -> std::same_as<unsigned>;
    // An entry is empty, a leaf, or a link to the table one level below. Empty is all zero.
    { F::is_empty(entry) } -> std::same_as<bool>;
    { F::is_leaf(entry, level) } -> std::same_as<bool>;
    { F::make_link(address) } -> std::same_as<typename F::Entry>;
    { F::link_target(entry) } -> std::same_as<PhysAddr>;
    // Whether hardware can say exactly this access (not more: rounding up is the caller's decision).
    { F::expresses(access) } -> std::same_as<bool>;
    { F::make_leaf(address, access, level) } -> std::same_as<typename F::Entry>;
    { F::leaf_target(entry, level) } -> std::same_as<PhysAddr>;
    { F::leaf_access(entry) } -> std::same_as<Access>;
};

}  // namespace smmu::paging
