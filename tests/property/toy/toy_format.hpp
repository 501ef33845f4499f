// SPDX-License-Identifier: Apache-2.0
// ToyFormat: four entries of 32 bits per table, so that everything a page-table engine can do happens within 64 pages
// and every sequence of requests can be tried.
//
//   31 valid   30 leaf   29:2 frame number   1:0 access
#pragma once

#include "paging/page_table.hpp"

namespace smmu::paging::test {

struct ToyFormat {
    using Entry = std::uint32_t;

    static constexpr Entry valid = 1u << 31, leaf = 1u << 30;

    static constexpr unsigned index_bits(unsigned) { return 2; }
    static constexpr unsigned span_log2(unsigned level) { return 12 + 2 * level; }
    static constexpr bool is_empty(Entry entry) { return entry == 0; }
    static constexpr bool is_leaf(Entry entry, unsigned) { return (entry & leaf) != 0; }
    static constexpr Entry frame(PhysAddr address) { return (static_cast<Entry>(address.value >> 12) & 0xFFF'FFFF) << 2; }
    static constexpr PhysAddr address(Entry entry) { return {std::uint64_t{entry >> 2 & 0xFFF'FFFF} << 12}; }
    static constexpr Entry make_link(PhysAddr table) { return valid | frame(table); }
    static constexpr PhysAddr link_target(Entry entry) { return address(entry); }
    static constexpr bool expresses(Access access) { return access == Access::read || access == read_write; }
    static constexpr Entry make_leaf(PhysAddr memory, Access access, unsigned) {
        return valid | leaf | frame(memory) | static_cast<Entry>(access);
    }
    static constexpr PhysAddr leaf_target(Entry entry, unsigned) { return address(entry); }
    static constexpr Access leaf_access(Entry entry) { return static_cast<Access>(entry & 3); }
};

static_assert(Format<ToyFormat>);
static_assert(ToyFormat::address(ToyFormat::make_link({0x1234'5000})).value == 0x1234'5000);

}  // namespace smmu::paging::test
