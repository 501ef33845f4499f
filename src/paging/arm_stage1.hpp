// SPDX-License-Identifier: Apache-2.0
// ArmStage1Layout: stage-1 tables of Armv8-A (VMSAv8-64, Arm ARM D8) with a granule of 4, 16 or 64 KiB: a table is one
// granule of 64-bit entries.
//
//   1:0 1 block, 3 table or page   4:2 AttrIndx   5 NS   7:6 AP (6 unprivileged too, 7 read only)   9:8 SH   10 AF   11 nG
//   47:12 frame, or next table: a multiple of the granule   63 NSTable
//
// What is mapped can be read. Of whoever walks these tables attribute 0 is memory and attribute 1 is registers
// (Device-nGnRE). Leaves belong to one address space (nG), and AF is set from the start. ArmStage1NonSecure says in every
// entry that what it leads to is non-secure: for walkers that count as secure and refuse the rest.
#pragma once

#include "paging/page_table.hpp"

namespace smmu::paging {

template <unsigned granule_log2, bool says_non_secure>
struct ArmStage1Layout {
    using Entry = std::uint64_t;

    static constexpr Entry block = 1, table_or_page = 3, type_mask = 3;
    static constexpr Entry registers = 1 << 2, unprivileged = 1 << 6, read_only = 1 << 7, inner_shareable = 3 << 8, accessed = 1 << 10,
                           not_global = 1 << 11;
    static constexpr Entry non_secure = says_non_secure ? 1 << 5 : 0;
    static constexpr Entry non_secure_table = says_non_secure ? Entry{1} << 63 : 0;
    static constexpr Entry address_mask = 0x0000'FFFF'FFFF'FFFF >> granule_log2 << granule_log2;

    static constexpr unsigned index_bits(unsigned) { return granule_log2 - 3; }
    static constexpr unsigned span_log2(unsigned level) { return granule_log2 + (granule_log2 - 3) * level; }

    static constexpr bool is_empty(Entry entry) { return entry == 0; }
    static constexpr bool is_leaf(Entry entry, unsigned level) {
        return entry != 0 && (level == 0 || (entry & type_mask) == block);
    }
    static constexpr Entry make_link(PhysAddr table) {
        return (table.value & address_mask) | table_or_page | non_secure_table;
    }
    static constexpr PhysAddr link_target(Entry entry) { return {entry & address_mask}; }

    // Reading comes with everything, and includes executing.
    static constexpr bool expresses(Access access) { return permits(access, Access::read); }
    static constexpr Entry make_leaf(PhysAddr memory, Access access, unsigned level) {
        return (memory.value & address_mask) | (level > 0 ? block : table_or_page) | unprivileged | inner_shareable | accessed |
               not_global | non_secure | (permits(access, Access::write) ? 0 : read_only) |
               (permits(access, Access::registers) ? registers : 0);
    }
    static constexpr PhysAddr leaf_target(Entry entry, unsigned) { return {entry & address_mask}; }
    static constexpr Access leaf_access(Entry entry) {
        return Access::read | ((entry & read_only) == 0 ? Access::write : Access::none) |
               ((entry & registers) != 0 ? Access::registers : Access::none);
    }
};

template <unsigned granule_log2>
using ArmStage1Tables = ArmStage1Layout<granule_log2, false>;

// By granule: of 4, 16 and 64 KiB.
using ArmStage1 = ArmStage1Tables<12>;
using ArmStage1Of16K = ArmStage1Tables<14>;
using ArmStage1Of64K = ArmStage1Tables<16>;
using ArmStage1NonSecure = ArmStage1Layout<12, true>;

static_assert(Format<ArmStage1> && Format<ArmStage1Of16K> && Format<ArmStage1Of64K> && Format<ArmStage1NonSecure>);
static_assert(ArmStage1::span_log2(1) == 21 && ArmStage1Of16K::span_log2(1) == 25 && ArmStage1Of64K::span_log2(1) == 29);
static_assert(ArmStage1::make_leaf({0x1234'5000}, Access::read, 0) == 0x1234'5fc3);
static_assert(ArmStage1::make_leaf({0x809'0000}, read_write | Access::registers, 0) == 0x809'0f47);
static_assert(ArmStage1::make_leaf({0x4000'0000}, read_write, 2) == 0x4000'0f41);
static_assert(ArmStage1::make_link({0x7000}) == 0x7003);
static_assert(!ArmStage1::is_leaf(ArmStage1::make_link({0x7000}), 1));
static_assert(ArmStage1::leaf_access(ArmStage1::make_leaf({0}, read_write, 1)) == read_write);
static_assert(ArmStage1::leaf_access(ArmStage1::make_leaf({0}, Access::read, 0)) == Access::read);
static_assert(ArmStage1NonSecure::make_leaf({0x1234'5000}, Access::read, 0) == 0x1234'5fe3);
static_assert(ArmStage1NonSecure::make_link({0x7000}) == 0x8000'0000'0000'7003);
static_assert(ArmStage1NonSecure::link_target(ArmStage1NonSecure::make_link({0x7000})) == PhysAddr{0x7000});
static_assert(ArmStage1::expresses(Access::read) && !ArmStage1::expresses(Access::write));

extern template class PageTable<ArmStage1>;
extern template class PageTable<ArmStage1Of16K>;
extern template class PageTable<ArmStage1Of64K>;
extern template class PageTable<ArmStage1NonSecure>;

}  // namespace smmu::paging
