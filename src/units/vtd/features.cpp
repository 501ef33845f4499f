// SPDX-License-Identifier: Apache-2.0
#include "units/vtd/features.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace smmu::units::vtd {
namespace {

constexpr unsigned smallest_useful_width = 30;
constexpr unsigned last_version_with_register_invalidation = 5;
constexpr unsigned largest_domain_code = 6;

constexpr std::uint64_t leaf_4k = std::uint64_t{1} << 12;
constexpr std::uint64_t leaf_2m = std::uint64_t{1} << 21;
constexpr std::uint64_t leaf_1g = std::uint64_t{1} << 30;

struct Depth {
    unsigned supported_bit;  // in SAGAW
    unsigned levels;
    unsigned width;
    unsigned code;  // AW
};
constexpr Depth depths[] = {{1, 3, 39, 1}, {2, 4, 48, 2}, {3, 5, 57, 3}};

unsigned guest_bits_of(hw::Bits<Capability> capability) {
    return static_cast<unsigned>(capability[Capability::guest_width_less_one]) + 1;
}

memory::Coherency coherency_of(bool snooped) {
    return snooped ? memory::Coherency::snooped : memory::Coherency::not_snooped;
}

// The fewest levels that reach as far as the unit's addresses do; where none does, the most. Some
// units have no walk as short as their addresses.
Result<Walk> second_stage(hw::Bits<Capability> capability, const std::string& where) {
    const std::uint64_t supported = capability[Capability::guest_widths];
    const unsigned guest_bits = guest_bits_of(capability);
    Walk walk;
    for (const Depth& depth : depths) {
        if ((supported >> depth.supported_bit & 1) == 0) continue;
        walk.levels = depth.levels;
        walk.width_code = depth.code;
        walk.input_bits = std::min(depth.width, guest_bits);
        if (depth.width >= guest_bits) break;
    }
    if (walk.levels == 0)
        return fail(
            ENOTSUP,
            fmt::format(
                "{}: CAP.SAGAW is {:#x}: no second-stage width that this driver knows; the "
                "unit cannot be programmed, accept it with 'uncontained accept' or replace it",
                where, supported));
    const std::uint64_t large = capability[Capability::large_pages];
    walk.leaf_sizes = leaf_4k;
    if ((large & 1) != 0) walk.leaf_sizes |= leaf_2m;
    // 1 GiB without 2 MiB is not legal; such a unit is trusted with the small pages only.
    if ((large & 3) == 3) walk.leaf_sizes |= leaf_1g;
    return walk;
}

// Only the lower canonical half is ever granted (the top bit of the walk is 0): what lies above is
// refused as not canonical or not mapped, and no address has two forms. The fifth level is for units
// whose addresses need it.
Walk first_stage(hw::Bits<Capability> capability) {
    constexpr unsigned width_of_4_levels = 48, width_of_5_levels = 57;
    const unsigned guest_bits = guest_bits_of(capability);
    const bool five = guest_bits > width_of_4_levels &&
                      capability.has(Capability::first_stage_5_levels);
    Walk walk;
    walk.mode = TableMode::scalable;
    walk.stage = Stage::first;
    walk.levels = five ? 5 : 4;
    walk.width_code = walk.levels - 2;
    walk.input_bits = std::min((five ? width_of_5_levels : width_of_4_levels) - 1, guest_bits);
    walk.leaf_sizes = leaf_4k | leaf_2m;
    if (capability.has(Capability::first_stage_gigabytes)) walk.leaf_sizes |= leaf_1g;
    return walk;
}

// Scalable mode with second stage where the unit has it: newer units are made for it. The first stage
// only where there is nothing else: in it a write grant also reads.
Result<void> choose_walk(Features& features, hw::Bits<Capability> capability,
                         hw::Bits<ExtendedCapability> extended, const std::string& where) {
    const auto snooped = coherency_of(extended.has(ExtendedCapability::scalable_walks_snoop));
    const bool scalable = features.scalable && features.queued;
    const bool only_first = scalable && extended.has(ExtendedCapability::first_stage) &&
                            !extended.has(ExtendedCapability::second_stage);
    if (only_first) {
        features.walk = first_stage(capability);
        features.walk.coherency = snooped;
    } else {
        SMMU_TRY(features.walk, second_stage(capability, where));
        features.walk.coherency = features.coherency;
        if (scalable && extended.has(ExtendedCapability::second_stage)) {
            features.legacy_walk = features.walk;
            features.walk.mode = TableMode::scalable;
            features.walk.coherency = snooped;
        }
    }
    if (features.walk.input_bits < smallest_useful_width)
        return fail(
            ENOTSUP,
            fmt::format("{}: CAP.MGAW allows device addresses of {} bits only; this cannot be "
                        "a working unit, check the registers' address",
                        where, guest_bits_of(capability)));
    return {};
}

Result<void> check_invalidation(const Features& features, const std::string& where) {
    if (features.queued) return {};
    if (features.major > last_version_with_register_invalidation)
        return fail(
            ENOTSUP,
            fmt::format(
                "{}: version {}.{} without queued invalidation: caches cannot be flushed, so "
                "the unit is not used",
                where, features.major, features.minor));
    if (features.invalidation_registers == 0)
        return fail(
            ENOTSUP,
            fmt::format(
                "{}: ECAP names neither a queue nor invalidation registers: caches cannot be "
                "flushed, so the unit is not used",
                where));
    return {};
}

}  // namespace

Result<Features> Features::read(const hw::Registers& registers, const std::string& where) {
    const auto version = registers.read<Version>();
    const auto capability = registers.read<Capability>();
    const auto extended = registers.read<ExtendedCapability>();
    if (capability.raw() == ~std::uint64_t{0} || extended.raw() == ~std::uint64_t{0} ||
        version.raw() == ~std::uint32_t{0} || capability.raw() == 0)
        return fail(
            ENXIO, fmt::format(
                       "{}: nothing answers there (VER {:#x}, CAP {:#x}, ECAP {:#x}); the firmware "
                       "table names a unit that is not present or is switched off",
                       where, version.raw(), capability.raw(), extended.raw()));
    Features features;
    features.major = version[Version::major];
    features.minor = version[Version::minor];
    features.coherency = coherency_of(extended.has(ExtendedCapability::coherent));
    features.forces_snoop = extended.has(ExtendedCapability::snoop_control);
    features.scalable = extended.has(ExtendedCapability::scalable_mode);
    features.aborts = extended.has(ExtendedCapability::abort_mode);
    features.queued = extended.has(ExtendedCapability::queued_invalidation);
    SMMU_CHECK(choose_walk(features, capability, extended, where));

    features.page_selective = capability.has(Capability::page_selective);
    features.largest_address_mask =
        static_cast<unsigned>(capability[Capability::largest_address_mask]);
    // From version 2 on draining is always done.
    features.drains_reads = features.major >= 2 || capability.has(Capability::drains_reads);
    features.drains_writes = features.major >= 2 || capability.has(Capability::drains_writes);
    features.caches_absent = capability.has(Capability::caching_mode);
    features.buffers_writes = capability.has(Capability::write_buffer_flush);
    features.root_invalidates = capability.has(Capability::srtp_invalidates);
    features.invalidation_registers = extended[ExtendedCapability::invalidation_registers_at] * 16;
    features.fault_records =
        static_cast<unsigned>(capability[Capability::fault_records_less_one]) + 1;
    features.fault_registers = capability[Capability::fault_records_at] * 16;
    if (capability[Capability::domains] > largest_domain_code)
        return fail(
            ENOTSUP,
            fmt::format("{}: CAP.ND is {}, a reserved value; the unit is newer than this driver",
                        where, capability[Capability::domains]));
    features.domains = std::uint32_t{1} << (4 + 2 * capability[Capability::domains]);
    features.protected_low = capability.has(Capability::protected_low);
    features.protected_high = capability.has(Capability::protected_high);
    features.interrupt_remapping = extended.has(ExtendedCapability::interrupt_remapping);
    SMMU_CHECK(check_invalidation(features, where));
    return features;
}

std::uint64_t Features::register_bytes() const {
    constexpr std::uint64_t fixed_registers = 0x100;
    const std::uint64_t faults = fault_registers + fault_records * fault_record_bytes;
    const std::uint64_t invalidation = invalidation_registers + 16;
    return std::max({fixed_registers, faults, invalidation});
}

Capabilities capabilities_of(const Features& features, unsigned host_bits) {
    Capabilities capabilities;
    capabilities.granule_log2 = 12;
    capabilities.input_bits = features.walk.input_bits;
    capabilities.output_bits = host_bits;
    capabilities.leaf_sizes = features.walk.leaf_sizes;
    capabilities.coherent = features.walk.coherency == memory::Coherency::snooped;
    capabilities.write_implies_read = features.walk.stage == Stage::first;
    capabilities.drains = features.drains_reads && features.drains_writes;
    capabilities.interrupt_remapping = features.interrupt_remapping;
    capabilities.never_grantable = interrupt_addresses;
    return capabilities;
}

}  // namespace smmu::units::vtd
