// SPDX-License-Identifier: Apache-2.0
#include "units/smmuv3/entries.hpp"

#include <algorithm>

#include "hw/register.hpp"

namespace smmu::units::smmuv3 {
namespace {

using hw::Field;
using hw::Register;

// Stream table entry (IHI 0070, 5.2), by 64-bit words.
struct Ste0 : Register<std::uint64_t, 0> {
    static constexpr Field<Ste0> valid{"V", 0};
    static constexpr Field<Ste0> config{"Config", 3, 1};
    static constexpr Field<Ste0> context{"S1ContextPtr", 51, 6};
    static constexpr auto fields = hw::list(valid, config, context);
};
struct Ste1 : Register<std::uint64_t, 8> {
    static constexpr Field<Ste1> context_inner{"S1CIR", 3, 2};
    static constexpr Field<Ste1> context_outer{"S1COR", 5, 4};
    static constexpr Field<Ste1> context_shareability{"S1CSH", 7, 6};
    static constexpr Field<Ste1> shareability{"SHCFG", 45, 44};
    static constexpr auto fields = hw::list(context_inner, context_outer, context_shareability, shareability);
};
struct Ste2 : Register<std::uint64_t, 16> {
    static constexpr Field<Ste2> vmid{"S2VMID", 15, 0};
    static constexpr Field<Ste2> input_size{"S2T0SZ", 37, 32};
    static constexpr Field<Ste2> start_level{"S2SL0", 39, 38};
    static constexpr Field<Ste2> walk_inner{"S2IR0", 41, 40};
    static constexpr Field<Ste2> walk_outer{"S2OR0", 43, 42};
    static constexpr Field<Ste2> walk_shareability{"S2SH0", 45, 44};
    static constexpr Field<Ste2> granule{"S2TG", 47, 46};
    static constexpr Field<Ste2> output_size{"S2PS", 50, 48};
    static constexpr Field<Ste2> aarch64{"S2AA64", 51};
    static constexpr Field<Ste2> records{"S2R", 58};
    static constexpr auto fields = hw::list(vmid, input_size, start_level, walk_inner, walk_outer, walk_shareability, granule,
                                            output_size, aarch64, records);
};
struct Ste3 : Register<std::uint64_t, 24> {
    static constexpr Field<Ste3> root{"S2TTB", 51, 4};
    static constexpr auto fields = hw::list(root);
};

// Context descriptor (IHI 0070, 5.4).
struct Cd0 : Register<std::uint64_t, 0> {
    static constexpr Field<Cd0> input_size{"T0SZ", 5, 0};
    static constexpr Field<Cd0> granule{"TG0", 7, 6};
    static constexpr Field<Cd0> walk_inner{"IR0", 9, 8};
    static constexpr Field<Cd0> walk_outer{"OR0", 11, 10};
    static constexpr Field<Cd0> walk_shareability{"SH0", 13, 12};
    static constexpr Field<Cd0> upper_half_off{"EPD1", 30};
    static constexpr Field<Cd0> valid{"V", 31};
    static constexpr Field<Cd0> output_size{"IPS", 34, 32};
    static constexpr Field<Cd0> aarch64{"AA64", 41};
    static constexpr Field<Cd0> records{"R", 45};
    static constexpr Field<Cd0> aborts{"A", 46};
    static constexpr Field<Cd0> own_asids{"ASET", 47};
    static constexpr Field<Cd0> asid{"ASID", 63, 48};
    static constexpr auto fields = hw::list(input_size, granule, walk_inner, walk_outer, walk_shareability, upper_half_off, valid,
                                            output_size, aarch64, records, aborts, own_asids, asid);
};

static_assert(hw::is_sound<Ste0>() && hw::is_sound<Ste1>() && hw::is_sound<Ste2>() && hw::is_sound<Ste3>() && hw::is_sound<Cd0>());

constexpr std::uint64_t stage1 = 5, stage2 = 6;  // Config
constexpr std::uint64_t memory_attributes = 0x04ff;  // MAIR: 0 write-back memory, 1 registers (Device-nGnRE)
// Attributes of walks: write-back and inner shareable where they look into the CPU's caches, else no caching.
constexpr std::uint64_t write_back = 1, inner_shareable = 3, not_cached = 0, outer_shareable = 2;

struct WalkAttributes {
    std::uint64_t cache, shareability;
};
WalkAttributes walk_attributes(const Features& features) {
    if (features.coherency == memory::Coherency::snooped) return {write_back, inner_shareable};
    return {not_cached, outer_shareable};
}

// S2TG and TG0 say it alike.
std::uint64_t granule_code(const Features& features) {
    constexpr std::uint64_t of_4k = 0, of_64k = 1, of_16k = 2;
    return features.granule_log2 == 12 ? of_4k : features.granule_log2 == 14 ? of_16k : of_64k;
}

// S2SL0 counts the levels from the second lowest with 4 KiB, from the lowest with wider granules.
std::uint64_t start_level(const Features& features) { return features.levels - (features.granule_log2 == 12 ? 2 : 1); }

std::uint64_t input_size(const Features& features) { return 64 - features.input_bits; }

EntryWords encode_stage2(const StreamTarget& target, bool muted, const Features& features) {
    const auto [cache, shareability] = walk_attributes(features);
    const auto low = Ste2::vmid.of(target.tag) | Ste2::input_size.of(input_size(features)) |
                     Ste2::start_level.of(start_level(features)) | Ste2::walk_inner.of(cache) | Ste2::walk_outer.of(cache) |
                     Ste2::walk_shareability.of(shareability) | Ste2::granule.of(granule_code(features)) | Ste2::output_size.of(features.output_code) | Ste2::aarch64(1) |
                     Ste2::records.of(muted ? 0 : 1);
    return {(Ste0::valid(1) | Ste0::config(stage2)).raw(), Ste1::shareability(1).raw(), low.raw(),
            Ste3::root.of_address(target.table.value).raw()};
}

EntryWords encode_stage1(const StreamTarget& target, bool muted, const Features& features) {
    const auto [cache, shareability] = walk_attributes(features);
    const PhysAddr descriptor = target.table + (muted ? entry_bytes : 0);
    const auto attributes = Ste1::context_inner.of(cache) | Ste1::context_outer.of(cache) |
                            Ste1::context_shareability.of(shareability) | Ste1::shareability(1);
    return {(Ste0::valid(1) | Ste0::config(stage1) | Ste0::context.of_address(descriptor.value)).raw(), attributes.raw(), 0, 0};
}

// Descriptor words 0 and 1, and 3; the others are zero.
std::array<std::uint64_t, entry_words> descriptor(PhysAddr root, std::uint16_t asid, bool records, const Features& features) {
    const auto [cache, shareability] = walk_attributes(features);
    const auto low = Cd0::input_size.of(input_size(features)) | Cd0::granule.of(granule_code(features)) | Cd0::walk_inner.of(cache) | Cd0::walk_outer.of(cache) |
                     Cd0::walk_shareability.of(shareability) | Cd0::upper_half_off(1) | Cd0::valid(1) |
                     Cd0::output_size.of(features.output_code) | Cd0::aarch64(1) | Cd0::records.of(records ? 1 : 0) |
                     Cd0::aborts(1) | Cd0::own_asids(1) | Cd0::asid.of(asid);
    return {low.raw(), root.value, 0, memory_attributes, 0, 0, 0, 0};
}

}  // namespace

EntryWords encode(const StreamEntry& entry, const Features& features) {
    if (!entry.target) return {};
    return features.stage == Stage::second ? encode_stage2(*entry.target, entry.muted, features)
                                           : encode_stage1(*entry.target, entry.muted, features);
}

std::optional<StreamEntry> decode(const std::uint64_t* words, const Features& features) {
    const hw::Bits<Ste0> low(words[0]);
    if (!low.has(Ste0::valid)) return StreamEntry{};
    StreamEntry entry;
    if (features.stage == Stage::second) {
        const hw::Bits<Ste2> middle(words[2]);
        entry.target = StreamTarget{PhysAddr{hw::Bits<Ste3>(words[3]).in_place(Ste3::root)}, std::uint16_t(middle[Ste2::vmid])};
        entry.muted = !middle.has(Ste2::records);
    } else {
        const std::uint64_t context = low.in_place(Ste0::context);
        entry.muted = (context & entry_bytes) != 0;
        entry.target = StreamTarget{PhysAddr{context & ~std::uint64_t{entry_bytes}}, 0};
    }
    const EntryWords own = encode(entry, features);
    const bool same = std::equal(own.begin(), own.end(), words) &&
                      std::all_of(words + own.size(), words + entry_words, [](std::uint64_t word) { return word == 0; });
    return same ? std::optional(entry) : std::nullopt;
}

void write_descriptors(std::uint64_t* frame, PhysAddr root, std::uint16_t asid, const Features& features) {
    std::ranges::copy(descriptor(root, asid, true, features), frame);
    std::ranges::copy(descriptor(root, asid, false, features), frame + entry_words);
}

std::optional<DescriptorPair> read_descriptors(const std::uint64_t* frame, const Features& features) {
    const auto asid = std::uint16_t(hw::Bits<Cd0>(frame[0])[Cd0::asid]);
    const PhysAddr root{frame[1]};
    if (!std::ranges::equal(descriptor(root, asid, true, features), std::span(frame, entry_words)) ||
        !std::ranges::equal(descriptor(root, asid, false, features), std::span(frame + entry_words, entry_words)))
        return std::nullopt;
    return DescriptorPair{root, asid};
}

}  // namespace smmu::units::smmuv3
