// SPDX-License-Identifier: Apache-2.0
// VtdSecondStage: the second-stage tables of Intel VT-d (architecture specification 9.8). 512 entries of 64 bits per
// table, three to five levels; the same layout in legacy and scalable mode.
//
//   0 R   1 W   7 PS (leaf above level 0)   11 SNP (leaf)   51:12 frame, or next table
//
// VtdSecondStageSnooped sets SNP in every leaf: requests go through the processors' caches whatever the device
// asks. For legacy mode on units with ECAP.SC; elsewhere the bit is reserved, and scalable mode says it once per
// space instead (PGSNP).
#pragma once

#include "paging/page_table.hpp"

namespace smmu::paging {

struct VtdSecondStage {
    using Entry = std::uint64_t;

    static constexpr Entry read = 1, write = 2, page_size = 1 << 7;
    static constexpr Entry address_mask = 0x000F'FFFF'FFFF'F000;

    static constexpr unsigned index_bits(unsigned) { return 9; }
    static constexpr unsigned span_log2(unsigned level) { return 12 + 9 * level; }

    static constexpr bool is_empty(Entry entry) { return entry == 0; }
    static constexpr bool is_leaf(Entry entry, unsigned level) {
        return entry != 0 && (level == 0 || (entry & page_size) != 0);
    }
    // Permissions are the conjunction of all levels: the leaf decides.
    static constexpr Entry make_link(PhysAddr table) { return (table.value & address_mask) | read | write; }
    static constexpr PhysAddr link_target(Entry entry) { return {entry & address_mask}; }

    // There is no permission to execute: reading includes it. Write alone can be said.
    static constexpr bool expresses(Access access) {
        return (access & read_write) != Access::none &&
               (permits(access, Access::read) || !permits(access, Access::execute));
    }
    static constexpr Entry make_leaf(PhysAddr memory, Access access, unsigned level) {
        return (memory.value & address_mask) | (permits(access, Access::read) ? read : 0) |
               (permits(access, Access::write) ? write : 0) | (level > 0 ? page_size : 0);
    }
    static constexpr PhysAddr leaf_target(Entry entry, unsigned) { return {entry & address_mask}; }
    static constexpr Access leaf_access(Entry entry) {
        return ((entry & read) != 0 ? Access::read : Access::none) |
               ((entry & write) != 0 ? Access::write : Access::none);
    }
};

static_assert(Format<VtdSecondStage>);
static_assert(VtdSecondStage::span_log2(1) == 21 && VtdSecondStage::span_log2(2) == 30 &&
              VtdSecondStage::span_log2(4) == 48);
static_assert(VtdSecondStage::make_leaf({0x1234'5000}, Access::read, 0) == 0x1234'5001);
static_assert(VtdSecondStage::make_leaf({0x4000'0000}, read_write, 2) == 0x4000'0083);
static_assert(VtdSecondStage::make_link({0x7000}) == 0x7003);
static_assert(!VtdSecondStage::is_leaf(VtdSecondStage::make_link({0x7000}), 1));
static_assert(VtdSecondStage::is_leaf(VtdSecondStage::make_leaf({0}, Access::write, 1), 1));
static_assert(VtdSecondStage::is_leaf(VtdSecondStage::make_leaf({0}, Access::write, 0), 0));
static_assert(VtdSecondStage::leaf_access(VtdSecondStage::make_leaf({0}, Access::write, 1)) == Access::write);
static_assert(VtdSecondStage::expresses(Access::write) &&
              VtdSecondStage::expresses(Access::read | Access::execute) &&
              !VtdSecondStage::expresses(Access::execute) &&
              !VtdSecondStage::expresses(Access::write | Access::execute) &&
              !VtdSecondStage::expresses(Access::none));

struct VtdSecondStageSnooped : VtdSecondStage {
    static constexpr Entry snoop = 1 << 11;
    static constexpr Entry make_leaf(PhysAddr memory, Access access, unsigned level) {
        return VtdSecondStage::make_leaf(memory, access, level) | snoop;
    }
};

static_assert(Format<VtdSecondStageSnooped>);
static_assert(VtdSecondStageSnooped::make_leaf({0x1234'5000}, Access::read, 0) == 0x1234'5801);
static_assert(VtdSecondStageSnooped::leaf_target(0x1234'5801, 0) == PhysAddr{0x1234'5000});

extern template class PageTable<VtdSecondStage>;
extern template class PageTable<VtdSecondStageSnooped>;

}  // namespace smmu::paging
