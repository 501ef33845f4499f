// SPDX-License-Identifier: Apache-2.0
// RootPointer, StreamEntry, PasidEntry: what the unit looks up for the bus and the function of a
// request, and the forms these have in both table modes. Values; ContextTables and PasidTables put
// them where the unit reads them.
#pragma once

#include <array>
#include <optional>

#include "base/address.hpp"
#include "hw/entry16.hpp"
#include "hw/register.hpp"
#include "units/vtd/features.hpp"

namespace smmu::units::vtd {

// A word that says where the next table is: in root tables of both modes and in PASID directories.
struct PointerWord : hw::Register<std::uint64_t, 0> {
    static constexpr hw::Field<PointerWord> present{"P", 0};
    static constexpr hw::Field<PointerWord> table{"PTR", 63, 12};
    static constexpr auto fields = hw::list(present, table);
};

struct TablePointer {
    hw::Bits<PointerWord> word;

    static TablePointer to(PhysAddr table) {
        return {PointerWord::present(1) | PointerWord::table.of_address(table.value)};
    }
    static TablePointer from(std::uint64_t raw) { return {hw::Bits<PointerWord>(raw)}; }
    std::uint64_t raw() const { return word.raw(); }

    bool is_empty() const { return raw() == 0; }
    bool is_present() const { return word.has(PointerWord::present); }
    PhysAddr table() const { return {word.in_place(PointerWord::table)}; }
    // Nothing but what this driver writes.
    bool is_well_formed() const { return is_empty() || (is_present() && raw() == to(table()).raw()); }
};

// Legacy mode: 16 bytes.
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
// Scalable mode: the first of four words. The others stay 0: requests without a PASID are looked up
// as PASID 0 (RID_PASID).
struct ScalableContext : hw::Register<std::uint64_t, 0> {
    static constexpr hw::Field<ScalableContext> present{"P", 0};
    static constexpr hw::Field<ScalableContext> faults_muted{"FPD", 1};
    static constexpr hw::Field<ScalableContext> translations_asked{"DTE", 2};
    static constexpr hw::Field<ScalableContext> pasids{"PASIDE", 3};
    static constexpr hw::Field<ScalableContext> page_requests{"PRE", 4};
    static constexpr hw::Field<ScalableContext> directory_size{"PDTS", 11, 9};
    static constexpr hw::Field<ScalableContext> directory{"PASIDDIRPTR", 63, 12};
    static constexpr auto fields = hw::list(present, faults_muted, translations_asked, pasids,
                                            page_requests, directory_size, directory);
};
static_assert(hw::is_sound<PointerWord>() && hw::is_sound<ContextLow>() &&
              hw::is_sound<ContextHigh>() && hw::is_sound<ScalableContext>());

// Where one stream's requests are looked up.
struct StreamTarget {
    PhysAddr table;            // legacy: root of the page table; scalable: PASID directory
    std::uint16_t domain = 0;  // tag of what is cached of it
    friend bool operator==(const StreamTarget&, const StreamTarget&) = default;
};

// What the tables say of one stream.
struct StreamEntry {
    std::optional<StreamTarget> target;  // none: every request is refused
    bool muted = false;                  // refusals are not recorded

    static StreamEntry translating(StreamTarget target, bool muted) { return {target, muted}; }
    // Refuses, and is not recorded.
    static StreamEntry silent() { return {std::nullopt, true}; }

    bool is_present() const { return target.has_value(); }
    bool is_empty() const { return !is_present() && !muted; }
    friend bool operator==(const StreamEntry&, const StreamEntry&) = default;
};

// Both modes: untranslated requests only. A device that claims to have translated already is refused
// (TT = 0, DTE = 0), and so is one that names a PASID (PASIDE = 0; no legacy mode has them).
inline hw::Entry16 legacy_context(const StreamEntry& entry, const Walk& walk) {
    const auto muted = ContextLow::faults_muted.of(entry.muted ? 1 : 0);
    if (!entry.is_present()) return {muted.raw(), 0};
    return {(ContextLow::present(1) | muted | ContextLow::type(0) |
             ContextLow::table.of_address(entry.target->table.value))
                .raw(),
            (ContextHigh::width.of(walk.width_code) | ContextHigh::domain.of(entry.target->domain))
                .raw()};
}
inline hw::Entry16 scalable_context(const StreamEntry& entry) {
    const auto muted = ScalableContext::faults_muted.of(entry.muted ? 1 : 0);
    if (!entry.is_present()) return {muted.raw(), 0};
    return {(ScalableContext::present(1) | muted | ScalableContext::translations_asked(0) |
             ScalableContext::pasids(0) | ScalableContext::page_requests(0) |
             ScalableContext::directory_size(0) |
             ScalableContext::directory.of_address(entry.target->table.value))
                .raw(),
            0};
}

// Both modes have P, FPD and the pointer at the same place.
inline StreamEntry stream_entry(hw::Entry16 raw) {
    const hw::Bits<ContextLow> low(raw.low);
    StreamEntry entry{std::nullopt, low.has(ContextLow::faults_muted)};
    if (low.has(ContextLow::present))
        entry.target = {
            {low.in_place(ContextLow::table)},
            static_cast<std::uint16_t>(hw::Bits<ContextHigh>(raw.high)[ContextHigh::domain])};
    return entry;
}

// Scalable mode: what a PASID is translated by. Eight words, of which the second stage uses two and
// the first stage three.
struct PasidEntry {
    static constexpr std::size_t words = 8;

    struct Low : hw::Register<std::uint64_t, 0> {
        static constexpr hw::Field<Low> present{"P", 0};
        static constexpr hw::Field<Low> width{"AW", 4, 2};
        static constexpr hw::Field<Low> type{"PGTT", 8, 6};  // 1 first stage, 2 second stage
        static constexpr hw::Field<Low> second_stage{"SSPTPTR", 63, 12};
        static constexpr auto fields = hw::list(present, width, type, second_stage);
    };
    struct Tag : hw::Register<std::uint64_t, 8> {
        static constexpr hw::Field<Tag> domain{"DID", 15, 0};
        static constexpr hw::Field<Tag> walks_snoop{"PWSNP", 23};
        static constexpr hw::Field<Tag> pages_snoop{"PGSNP", 24};
        static constexpr auto fields = hw::list(domain, walks_snoop, pages_snoop);
    };
    struct First : hw::Register<std::uint64_t, 16> {
        static constexpr hw::Field<First> levels{"FSPM", 3, 2};  // 0 four, 1 five
        static constexpr hw::Field<First> first_stage{"FSPTPTR", 63, 12};
        static constexpr auto fields = hw::list(levels, first_stage);
    };

    std::array<std::uint64_t, words> raw{};

    // `page_table`: the tables that requests walk.
    static PasidEntry translating(PhysAddr page_table, std::uint16_t domain,
                                  const Features& features) {
        const Walk& walk = features.walk;
        const bool first = walk.stage == Stage::first;
        const bool snooped = walk.coherency == memory::Coherency::snooped;
        PasidEntry entry;
        entry.raw[0] = (Low::present(1) | Low::width.of(walk.width_code) |
                        Low::type.of(first ? 1 : 2) |
                        Low::second_stage.of_address(first ? 0 : page_table.value))
                           .raw();
        entry.raw[1] = (Tag::domain.of(domain) | Tag::walks_snoop.of(snooped ? 1 : 0) |
                        Tag::pages_snoop.of(features.forces_snoop ? 1 : 0))
                           .raw();
        if (first)
            entry.raw[2] = (First::levels.of(walk.levels - 4) |
                            First::first_stage.of_address(page_table.value))
                               .raw();
        return entry;
    }
    std::uint16_t domain() const {
        return static_cast<std::uint16_t>(hw::Bits<Tag>(raw[1])[Tag::domain]);
    }
    PhysAddr page_table(Stage stage) const {
        return stage == Stage::first
                   ? PhysAddr{hw::Bits<First>(raw[2]).in_place(First::first_stage)}
                   : PhysAddr{hw::Bits<Low>(raw[0]).in_place(Low::second_stage)};
    }
    // Nothing but what this driver writes for this unit.
    bool is_well_formed(const Features& features) const {
        return *this == translating(page_table(features.walk.stage), domain(), features);
    }
    friend bool operator==(const PasidEntry&, const PasidEntry&) = default;
};
static_assert(hw::is_sound<PasidEntry::Low>() && hw::is_sound<PasidEntry::Tag>() &&
              hw::is_sound<PasidEntry::First>());

}  // namespace smmu::units::vtd
