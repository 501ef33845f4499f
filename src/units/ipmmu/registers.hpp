// SPDX-License-Identifier: Apache-2.0
// The registers of an IPMMU as types. Each lies in a block: of a context, of a micro-TLB, or of the unit; Places knows where
// the blocks are. All have 32 bits.
#pragma once

#include "hw/register.hpp"

namespace smmu::units::ipmmu {

using hw::Field;
using hw::Register;

// Of a context. The cache units have the lowest three bits of this one only.
struct ContextControl : Register<std::uint32_t, 0x00> {
    static constexpr const char* name = "IMCTR";
    static constexpr Field<ContextControl> wide{"VA64", 29};
    static constexpr Field<ContextControl> interrupts{"INTEN", 2};
    static constexpr Field<ContextControl> flush{"FLUSH", 1};
    static constexpr Field<ContextControl> enabled{"MMUEN", 0};
    static constexpr auto fields = hw::list(wide, interrupts, flush, enabled);
};

struct TableControl : Register<std::uint32_t, 0x08> {
    static constexpr const char* name = "IMTTBCR";
    static constexpr Field<TableControl> long_descriptors{"EAE", 31};
    static constexpr Field<TableControl> stage2{"PMB", 30};
    static constexpr Field<TableControl> start{"SL0", 7, 6};
    static constexpr Field<TableControl> size{"TSZ0", 4, 0};
    static constexpr auto fields = hw::list(long_descriptors, stage2, start, size);
};

struct RootLow : Register<std::uint32_t, 0x10> {
    static constexpr const char* name = "IMTTLBR0";
    static constexpr Field<RootLow> address{"TTBR0", 31, 12};
    static constexpr auto fields = hw::list(address);
};
struct RootHigh : Register<std::uint32_t, 0x14> {
    static constexpr const char* name = "IMTTUBR0";
    static constexpr Field<RootHigh> address{"TTBR0", 7, 0};
    static constexpr auto fields = hw::list(address);
};

// Written with 0 it forgets, and the address with it.
struct FaultStatus : Register<std::uint32_t, 0x20> {
    static constexpr const char* name = "IMSTR";
    static constexpr Field<FaultStatus> level{"ERRLVL", 13, 12};
    static constexpr Field<FaultStatus> code{"ERRCODE", 10, 8};
    static constexpr Field<FaultStatus> multiple_hit{"MHIT", 4};
    static constexpr Field<FaultStatus> abort{"ABORT", 2};
    static constexpr Field<FaultStatus> permission{"PF", 1};
    static constexpr Field<FaultStatus> translation{"TF", 0};
    static constexpr auto fields = hw::list(level, code, multiple_hit, abort, permission, translation);
};

struct Attributes : Register<std::uint32_t, 0x28> {
    static constexpr const char* name = "IMMAIR0";
    static constexpr Field<Attributes> device{"ATTR1", 15, 8};
    static constexpr Field<Attributes> memory{"ATTR0", 7, 0};
    static constexpr auto fields = hw::list(device, memory);
};

struct FaultLow : Register<std::uint32_t, 0x30> {
    static constexpr const char* name = "IMELAR";
    static constexpr Field<FaultLow> address{"ADDR", 31, 0};
    static constexpr auto fields = hw::list(address);
};
struct FaultHigh : Register<std::uint32_t, 0x34> {
    static constexpr const char* name = "IMEUAR";
    static constexpr Field<FaultHigh> address{"ADDR", 7, 0};
    static constexpr auto fields = hw::list(address);
};

// Of a micro-TLB. The third generation has 4 bits of TTSEL.
struct SlotControl : Register<std::uint32_t, 0x0> {
    static constexpr const char* name = "IMUCTR";
    static constexpr Field<SlotControl> fixed{"FIXADDEN", 31};
    static constexpr Field<SlotControl> context{"TTSEL", 8, 4};
    static constexpr Field<SlotControl> flush{"FLUSH", 1};
    static constexpr Field<SlotControl> enabled{"MMUEN", 0};
    static constexpr auto fields = hw::list(fixed, context, flush, enabled);
};
struct SlotTag : Register<std::uint32_t, 0x8> {
    static constexpr const char* name = "IMUASID";
    static constexpr Field<SlotTag> tags{"ASID8, ASID0", 15, 0};
    static constexpr auto fields = hw::list(tags);
};

// Of a unit.
struct UnitControl : Register<std::uint32_t, 0x500> {
    static constexpr const char* name = "IMSCTLR";
    static constexpr Field<UnitControl> cache_off{"DISCACHE", 31, 29};
    static constexpr Field<UnitControl> secure_groups{"USE_SECGRP", 28};
    static constexpr auto fields = hw::list(cache_off, secure_groups);
};
struct UnitAuxiliary : Register<std::uint32_t, 0x504> {
    static constexpr const char* name = "IMSAUXCTLR";
    static constexpr Field<UnitAuxiliary> stage2{"S2PTE", 3};
    static constexpr auto fields = hw::list(stage2);
};
struct Signals : Register<std::uint32_t, 0x540> {
    static constexpr const char* name = "IMSSTR";
    static constexpr Field<Signals> units{"UNITS", 31, 0};
    static constexpr auto fields = hw::list(units);
};

}  // namespace smmu::units::ipmmu
