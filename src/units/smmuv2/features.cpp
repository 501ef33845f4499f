// SPDX-License-Identifier: Apache-2.0
#include "units/smmuv2/features.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "memory/frame.hpp"

namespace smmu::units::smmuv2 {
namespace {

constexpr std::array<unsigned, 6> sizes = {32, 36, 40, 42, 44, 48};  // by the codes of IDR2
constexpr unsigned most_groups = 128, most_banks = 128;              // that the architecture has
constexpr unsigned extended_stream_bits = 16;

unsigned size_of(unsigned code) {
    return sizes[std::min<std::size_t>(code, sizes.size() - 1)];
}

// The fewest levels that cover the addresses. Up to 16 root tables of stage 2 lie side by side,
// which saves a level, and which the architecture demands for 40 and 42 bits (Arm ARM, D8.2).
unsigned levels_for(Stage stage, unsigned input_bits) {
    const unsigned joined = stage == Stage::second ? 4 : 0;
    unsigned levels = 3;
    while (12 + 9 * levels + joined < input_bits) ++levels;
    return levels;
}

// The pages of registers say themselves how large they are and how many.
void read_geometry(Features& features, hw::Bits<Idr1> idr1) {
    features.page_log2 = idr1.has(Idr1::large_pages) ? 16 : 12;
    features.pages = 2u << idr1[Idr1::page_index_bits];
    features.detects_conflicts = idr1.has(Idr1::detects_conflicts);
    features.banks = std::min({unsigned{idr1[Idr1::banks]}, most_banks, features.pages});
    features.first_bank = features.stage == Stage::first ? idr1[Idr1::stage2_banks] : 0;
}

void read_streams(Features& features, hw::Bits<Idr0> idr0) {
    features.stream_matching = idr0.has(Idr0::stream_matching);
    features.stream_bits = idr0[Idr0::stream_bits];
    if (features.stream_matching) {
        features.groups = std::min<unsigned>(idr0[Idr0::match_registers], most_groups);
        features.extended_ids = idr0.has(Idr0::extended_ids);
        if (features.extended_ids) features.stream_bits = extended_stream_bits;
    } else {
        features.groups = std::min(1u << features.stream_bits, most_groups);
    }
}

void read_walks(Features& features, hw::Bits<Idr2> idr2) {
    features.output_code = std::min<unsigned>(idr2[Idr2::output_size], sizes.size() - 1);
    features.output_bits = size_of(features.output_code);
    const bool second = features.stage == Stage::second;
    features.input_bits = second ? std::min(size_of(idr2[Idr2::input_size]), features.output_bits)
                                 : size_of(idr2[Idr2::upstream_size]);
    features.levels = levels_for(features.stage, features.input_bits);
    features.leaf_sizes = std::uint64_t{1} << 12 | std::uint64_t{1} << 21 | std::uint64_t{1} << 30;
}

}  // namespace

Result<Features> Features::read(const hw::Registers& registers, const topology::Unit& unit) {
    const auto idr0 = registers.read<Idr0>();
    const auto idr1 = registers.read<Idr1>();
    const auto idr2 = registers.read<Idr2>();
    const auto idr7 = registers.read<Idr7>();
    const auto unusable = [&](std::string_view why) {
        return fail(ENOTSUP,
                    fmt::format("{}: {} (IDR0 {:#010x}, IDR1 {:#010x}, IDR2 {:#010x}); the unit "
                                "cannot be used",
                                unit.name, why, idr0.raw(), idr1.raw(), idr2.raw()));
    };
    if (idr0.raw() == ~std::uint32_t{0} || (idr0.raw() == 0 && idr1.raw() == 0))
        return fail(ENXIO, fmt::format("{}: nothing answers there", unit.name));
    if (!idr0.has(Idr0::stage1) && !idr0.has(Idr0::stage2))
        return unusable("it has neither stage of translation");
    if (!idr2.has(Idr2::granule_4k))
        return unusable(
            "it cannot walk AArch64 tables with a granule of 4 KiB, the only ones of "
            "this driver; an SMMUv1 such as MMU-400 or MMU-401 cannot");

    Features features;
    features.major = idr7[Idr7::major];
    features.minor = idr7[Idr7::minor];
    features.stage = idr0.has(Idr0::stage2) ? Stage::second : Stage::first;
    features.coherency = unit.coherent_walks.value_or(idr0.has(Idr0::coherent))
                             ? memory::Coherency::snooped
                             : memory::Coherency::not_snooped;
    read_geometry(features, idr1);
    read_streams(features, idr0);
    read_walks(features, idr2);
    if (features.groups == 0)
        return unusable("it matches streams and has no register to match them with");
    if (features.first_bank >= features.banks)
        return unusable("it has no context bank that translates what this driver needs");
    return features;
}

unsigned Features::root_order() const {
    const unsigned resolved_below = 12 + 9 * (levels - 1);
    const unsigned bytes_log2 = input_bits - resolved_below + 3;
    return bytes_log2 > memory::frame_log2 ? bytes_log2 - memory::frame_log2 : 0;
}

Capabilities capabilities_of(const Features& features, unsigned host_bits) {
    return {.granule_log2 = 12,
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

}  // namespace smmu::units::smmuv2
