// SPDX-License-Identifier: Apache-2.0
// VtdFirstStage: the first-stage tables of Intel VT-d (architecture specification 9.7), which are those of the
// processor. 512 entries of 64 bits per table, four or five levels; scalable mode only.
//
//   0 P   1 R/W   2 U/S   5 A   6 D   7 PS (leaf above level 0)   51:12 frame, or next table
//
// What is present can be read. Requests of devices count as a user's, so U/S is 1 at every level. A and D are set
// from the start: hardware never has to write a table, which it could not do where its walks are not snooped.
#pragma once

#include "paging/page_table.hpp"

namespace smmu::paging {

struct VtdFirstStage {
    using Entry = std::uint64_t;

    static constexpr Entry present = 1, write = 1 << 1, user = 1 << 2, accessed = 1 << 5, dirty = 1 << 6,
                           page_size = 1 << 7;
    static constexpr Entry address_mask = 0x000F'FFFF'FFFF'F000;

    static constexpr unsigned index_bits(unsigned) { return 9; }
    static constexpr unsigned span_log2(unsigned level) { return 12 + 9 * level; }

    static constexpr bool is_empty(Entry entry) { return entry == 0; }
    static constexpr bool is_leaf(Entry entry, unsigned level) {
        return entry != 0 && (level == 0 || (entry & page_size) != 0);
    }
    // Permissions are the conjunction of all levels: the leaf decides.
    static constexpr Entry make_link(PhysAddr table) {
        return (table.value & address_mask) | present | write | user | accessed;
    }
    static constexpr PhysAddr link_target(Entry entry) { return {entry & address_mask}; }

    // Reading comes with everything, and includes executing.
    static constexpr bool expresses(Access access) { return permits(access, Access::read); }
    static constexpr Entry make_leaf(PhysAddr memory, Access access, unsigned level) {
        return (memory.value & address_mask) | present | user | accessed |
               (permits(access, Access::write) ? write | dirty : 0) | (level > 0 ? page_size : 0);
    }
    static constexpr PhysAddr leaf_target(Entry entry, unsigned) { return {entry & address_mask}; }
    static constexpr Access leaf_access(Entry entry) {
        return Access::read | ((entry & write) != 0 ? Access::write : Access::none);
    }
};

static_assert(Format<VtdFirstStage>);
static_assert(VtdFirstStage::make_leaf({0x1234'5000}, Access::read, 0) == 0x1234'5025);
static_assert(VtdFirstStage::make_leaf({0x4000'0000}, read_write, 2) == 0x4000'00e7);
static_assert(VtdFirstStage::make_link({0x7000}) == 0x7027);
static_assert(!VtdFirstStage::is_leaf(VtdFirstStage::make_link({0x7000}), 1));
static_assert(VtdFirstStage::is_leaf(VtdFirstStage::make_leaf({0}, Access::read, 1), 1));
static_assert(VtdFirstStage::leaf_access(VtdFirstStage::make_leaf({0}, read_write, 1)) == read_write);
static_assert(VtdFirstStage::leaf_access(VtdFirstStage::make_leaf({0}, Access::read, 0)) == Access::read);
static_assert(VtdFirstStage::expresses(Access::read) && VtdFirstStage::expresses(read_write) &&
              !VtdFirstStage::expresses(Access::write) && !VtdFirstStage::expresses(Access::none));

extern template class PageTable<VtdFirstStage>;

}  // namespace smmu::paging
