// SPDX-License-Identifier: Apache-2.0
#include "units/smmuv3/features.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "memory/frame.hpp"

namespace smmu::units::smmuv3 {
namespace {

constexpr std::array<unsigned, 7> output_sizes = {32, 36, 40, 42, 44, 48, 52};  // by IDR5.OAS
constexpr unsigned widest_input = 48;
constexpr std::uint32_t aarch64_tables = 2;  // of IDR0.TTF
constexpr std::uint32_t big_endian_only = 3;
constexpr unsigned least_queue_log2 = 3;
constexpr std::uint32_t stall_always = 2;  // IDR0.STALL_MODEL

// A grant opens whole granules, so the smallest opens the least beyond what was granted. 0: the unit has none.
unsigned smallest_granule(hw::Bits<Idr5> sizes) {
    if (sizes.has(Idr5::granule_4k)) return 12;
    if (sizes.has(Idr5::granule_16k)) return 14;
    return sizes.has(Idr5::granule_64k) ? 16 : 0;
}

// The fewest levels that cover the addresses. Up to 16 root tables of stage 2 lie side by side, which saves a level, and
// which the architecture demands for 40 and 42 bits with 4 KiB, for 40 and 48 bits with 16 KiB (Arm ARM, D8.2).
unsigned levels_for(const Features& features) {
    const unsigned joined = features.stage == Stage::second ? 4 : 0;
    unsigned levels = features.granule_log2 == 12 ? 3 : 2;
    while (features.granule_log2 + features.bits_per_level() * levels + joined < features.input_bits) ++levels;
    return levels;
}

// Pages, and blocks of the level above. A block two levels above is 1 GiB with 4 KiB; wider granules have none there that
// 48 bits of address could use.
std::uint64_t leaf_sizes_of(const Features& features) {
    const std::uint64_t page = std::uint64_t{1} << features.granule_log2, block = page << features.bits_per_level();
    return page | block | (features.granule_log2 == 12 ? block << features.bits_per_level() : 0);
}

}  // namespace

Result<Features> Features::read(const hw::Registers& registers, const std::string& where) {
    const auto idr0 = registers.read<Idr0>();
    const auto idr1 = registers.read<Idr1>();
    const auto idr5 = registers.read<Idr5>();
    const auto aidr = registers.read<Aidr>();
    const auto unusable = [&](std::string_view why) {
        return fail(ENOTSUP, fmt::format("{}: {} (IDR0 {:#010x}, IDR1 {:#010x}, IDR5 {:#010x}); the unit cannot be used",
                                         where, why, idr0.raw(), idr1.raw(), idr5.raw()));
    };
    if (idr0.raw() == ~std::uint32_t{0} || (idr0.raw() == 0 && idr5.raw() == 0))
        return fail(ENXIO, fmt::format("{}: nothing answers there", where));
    if (!idr0.has(Idr0::stage1) && !idr0.has(Idr0::stage2)) return unusable("it has neither stage of translation");
    if ((idr0[Idr0::table_formats] & aarch64_tables) == 0) return unusable("it cannot walk AArch64 tables");
    if (idr0[Idr0::endianness] == big_endian_only) return unusable("it walks big-endian tables only");
    if (smallest_granule(idr5) == 0) return unusable("it has no granule of 4, 16 or 64 KiB");
    if (idr1.has(Idr1::relative) || idr1.has(Idr1::queues_preset) || idr1.has(Idr1::tables_preset))
        return unusable("its queues or tables lie where it wants them");
    if (idr1[Idr1::command_queue_log2] < least_queue_log2 || idr1[Idr1::event_queue_log2] < least_queue_log2)
        return unusable("its queues hold next to nothing");
    if (idr5[Idr5::output_size] >= output_sizes.size()) return unusable("its physical addresses are wider than this driver knows");

    Features features;
    features.major = aidr[Aidr::major] + 3u;
    features.minor = aidr[Aidr::minor];
    features.has_second = idr0.has(Idr0::stage2);
    features.stage = features.has_second ? Stage::second : Stage::first;
    features.output_code = std::min<unsigned>(idr5[Idr5::output_size], 5);
    features.output_bits = output_sizes[features.output_code];
    const unsigned first_stage_bits = features.output_bits <= 39 ? 39 : widest_input;
    features.input_bits = features.stage == Stage::second ? features.output_bits : first_stage_bits;
    features.granule_log2 = smallest_granule(idr5);
    features.levels = levels_for(features);
    features.leaf_sizes = leaf_sizes_of(features);
    features.coherency = idr0.has(Idr0::coherent) ? memory::Coherency::snooped : memory::Coherency::not_snooped;
    features.stream_bits = std::min<unsigned>(idr1[Idr1::stream_bits], 32);
    features.two_level_streams = idr0[Idr0::stream_table_levels] != 0;
    features.command_queue_log2 = idr1[Idr1::command_queue_log2];
    features.event_queue_log2 = idr1[Idr1::event_queue_log2];
    const bool wide_tags = idr0.has(features.stage == Stage::second ? Idr0::wide_vmids : Idr0::wide_asids);
    features.tags = std::uint32_t{1} << (wide_tags ? 16 : 8);
    features.range_invalidation = registers.read<Idr3>().has(Idr3::range_invalidation);
    features.hypervisor = idr0.has(Idr0::hypervisor);
    features.device_caches = idr0.has(Idr0::device_caches);
    features.must_stall = idr0[Idr0::stall_model] == stall_always;
    if (features.must_stall)
        return unusable("it stalls devices on every refusal (STALL_MODEL 2), which one device could use to stop all others");
    return features;
}

unsigned Features::root_order() const {
    const unsigned resolved_below = granule_log2 + bits_per_level() * (levels - 1);
    const unsigned bytes_log2 = input_bits - resolved_below + 3;
    return bytes_log2 > memory::frame_log2 ? bytes_log2 - memory::frame_log2 : 0;
}

Capabilities capabilities_of(const Features& features, unsigned host_bits) {
    return {.granule_log2 = features.granule_log2,
            .input_bits = features.input_bits,
            .output_bits = std::min(features.output_bits, host_bits),
            .leaf_sizes = features.leaf_sizes,
            .coherent = features.coherency == memory::Coherency::snooped,
            .write_implies_read = features.stage == Stage::first,
            .execute_permission = false,
            .register_memory = true,
            .drains = true,
            .interrupt_remapping = false,
            .never_grantable = std::nullopt};
}

}  // namespace smmu::units::smmuv3
