// SPDX-License-Identifier: Apache-2.0
// ArmStage2Tables: stage-2 tables of Armv8-A (VMSAv8-64, Arm ARM D8) with a granule of 4, 16 or 64 KiB: a table is one
// granule of 64-bit entries; up to 16 root tables lie side by side.
//
//   1:0 1 block, 3 table or page   5:2 MemAttr   7:6 S2AP (6 read, 7 write)   9:8 SH   10 AF
//   47:12 frame, or next table: a multiple of the granule
//
// Leaves say write-back, inner shareable, or registers (Device-nGnRE): what the device asks for can only make that weaker.
// AF is set from the start: nobody counts accesses.
#pragma once

#include "paging/page_table.hpp"

namespace smmu::paging {

template <unsigned granule_log2>
struct ArmStage2Tables {
    using Entry = std::uint64_t;

    static constexpr Entry block = 1, table_or_page = 3, type_mask = 3;
    static constexpr Entry memory_type = 0xF << 2, write_back = 0xF << 2, registers = 1 << 2;
    static constexpr Entry read = 1 << 6, write = 1 << 7, inner_shareable = 3 << 8, accessed = 1 << 10;
    static constexpr Entry address_mask = 0x0000'FFFF'FFFF'FFFF >> granule_log2 << granule_log2;

    static constexpr unsigned index_bits(unsigned) { return granule_log2 - 3; }
    static constexpr unsigned span_log2(unsigned level) { return granule_log2 + (granule_log2 - 3) * level; }

    static constexpr bool is_empty(Entry entry) { return entry == 0; }
    static constexpr bool is_leaf(Entry entry, unsigned level) {
        return entry != 0 && (level == 0 || (entry & type_mask) == block);
    }
    static constexpr Entry make_link(PhysAddr table) { return (table.value & address_mask) | table_or_page; }
    static constexpr PhysAddr link_target(Entry entry) { return {entry & address_mask}; }

    // Reading includes executing. Write alone can be said.
    static constexpr bool expresses(Access access) {
        return (access & read_write) != Access::none &&
               (permits(access, Access::read) || !permits(access, Access::execute));
    }
    static constexpr Entry make_leaf(PhysAddr memory, Access access, unsigned level) {
        return (memory.value & address_mask) | (level > 0 ? block : table_or_page) |
               (permits(access, Access::registers) ? registers : write_back) | inner_shareable | accessed |
               (permits(access, Access::read) ? read : 0) | (permits(access, Access::write) ? write : 0);
    }
    static constexpr PhysAddr leaf_target(Entry entry, unsigned) { return {entry & address_mask}; }
    static constexpr Access leaf_access(Entry entry) {
        return ((entry & read) != 0 ? Access::read : Access::none) | ((entry & write) != 0 ? Access::write : Access::none) |
               ((entry & memory_type) == registers ? Access::registers : Access::none);
    }
};

// By granule: of 4, 16 and 64 KiB.
using ArmStage2 = ArmStage2Tables<12>;
using ArmStage2Of16K = ArmStage2Tables<14>;
using ArmStage2Of64K = ArmStage2Tables<16>;

static_assert(Format<ArmStage2> && Format<ArmStage2Of16K> && Format<ArmStage2Of64K>);
static_assert(ArmStage2::span_log2(1) == 21 && ArmStage2Of16K::span_log2(1) == 25 && ArmStage2Of64K::span_log2(1) == 29);
static_assert(ArmStage2::make_leaf({0x1234'5000}, Access::read, 0) == 0x1234'577f);
static_assert(ArmStage2::make_leaf({0x4000'0000}, read_write, 2) == 0x4000'07fd);
static_assert(ArmStage2::make_leaf({0x809'0000}, Access::write | Access::registers, 0) == 0x809'0787);
static_assert(ArmStage2::leaf_access(0x809'0787) == (Access::write | Access::registers));
static_assert(ArmStage2::make_link({0x7000}) == 0x7003);
static_assert(!ArmStage2::is_leaf(ArmStage2::make_link({0x7000}), 1));
static_assert(ArmStage2::is_leaf(ArmStage2::make_leaf({0}, Access::write, 1), 1));
static_assert(ArmStage2::leaf_access(ArmStage2::make_leaf({0}, Access::write, 1)) == Access::write);
static_assert(ArmStage2::expresses(Access::write) && !ArmStage2::expresses(Access::none));

extern template class PageTable<ArmStage2>;
extern template class PageTable<ArmStage2Of16K>;
extern template class PageTable<ArmStage2Of64K>;

}  // namespace smmu::paging
