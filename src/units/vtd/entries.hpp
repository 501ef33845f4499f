// SPDX-License-Identifier: Apache-2.0
// RootEntry and ContextEntry: what the unit looks up for the bus and the function of a request
// (legacy mode). Values; ContextTables puts them where the unit reads them.
#pragma once

#include "base/address.hpp"
#include "hw/entry16.hpp"
#include "hw/register.hpp"

namespace smmu::units::vtd {

struct RootLow : hw::Register<std::uint64_t, 0> {
    static constexpr hw::Field<RootLow> present{"P", 0};
    static constexpr hw::Field<RootLow> contexts{"CTP", 63, 12};
    static constexpr auto fields = hw::list(present, contexts);
};
struct ContextLow : hw::Register<std::uint64_t, 0> {
    static constexpr hw::Field<ContextLow> present{"P", 0};
    static constexpr hw::Field<ContextLow> faults_muted{"FPD", 1};
    static constexpr hw::Field<ContextLow> type{"TT", 3, 2};
    static constexpr hw::Field<ContextLow> table{"SSPTPTR", 63, 12};
    static constexpr auto fields = hw::list(present, faults_muted, type, table);
};
struct ContextHigh : hw::Register<std::uint64_t, 8> {
    static constexpr hw::Field<ContextHigh> width{"AW", 2, 0};
    static constexpr hw::Field<ContextHigh> domain{"DID", 23, 8};
    static constexpr auto fields = hw::list(width, domain);
};
static_assert(hw::is_sound<RootLow>() && hw::is_sound<ContextLow>() && hw::is_sound<ContextHigh>());

struct RootEntry {
    hw::Bits<RootLow> low;
    std::uint64_t high = 0;

    static RootEntry pointing_to(PhysAddr contexts) {
        return {RootLow::present(1) | RootLow::contexts.of_address(contexts.value), 0};
    }
    static RootEntry from(hw::Entry16 raw) { return {hw::Bits<RootLow>(raw.low), raw.high}; }
    hw::Entry16 raw() const { return {low.raw(), high}; }

    bool is_empty() const { return low.raw() == 0 && high == 0; }
    bool is_present() const { return low.has(RootLow::present); }
    PhysAddr contexts() const { return {low.in_place(RootLow::contexts)}; }
    // Nothing but what this driver writes.
    bool is_well_formed() const {
        return is_empty() || (is_present() && *this == pointing_to(contexts()));
    }
    friend bool operator==(const RootEntry&, const RootEntry&) = default;
};

// What one stream's requests are translated by.
struct ContextTarget {
    PhysAddr table;
    unsigned width_code = 0;
    std::uint16_t domain = 0;
};

struct ContextEntry {
    hw::Bits<ContextLow> low;
    hw::Bits<ContextHigh> high;

    // Untranslated requests only: a device that claims to have translated already is refused (TT =
    // 0).
    static ContextEntry translating(const ContextTarget& target, bool muted) {
        return {ContextLow::present(1) | ContextLow::faults_muted.of(muted ? 1 : 0) |
                    ContextLow::type(0) | ContextLow::table.of_address(target.table.value),
                ContextHigh::width.of(target.width_code) | ContextHigh::domain.of(target.domain)};
    }
    // Refuses, and is not recorded.
    static ContextEntry silent() { return {ContextLow::faults_muted(1), {}}; }
    static ContextEntry from(hw::Entry16 raw) {
        return {hw::Bits<ContextLow>(raw.low), hw::Bits<ContextHigh>(raw.high)};
    }
    hw::Entry16 raw() const { return {low.raw(), high.raw()}; }

    bool is_empty() const { return low.raw() == 0 && high.raw() == 0; }
    bool is_present() const { return low.has(ContextLow::present); }
    bool is_muted() const { return low.has(ContextLow::faults_muted); }
    ContextTarget target() const {
        return {{low.in_place(ContextLow::table)},
                static_cast<unsigned>(high[ContextHigh::width]),
                static_cast<std::uint16_t>(high[ContextHigh::domain])};
    }
    // Nothing but what this driver writes.
    bool is_well_formed() const {
        return is_empty() || *this == silent() ||
               (is_present() && *this == translating(target(), is_muted()));
    }
    friend bool operator==(const ContextEntry&, const ContextEntry&) = default;
};

}  // namespace smmu::units::vtd
