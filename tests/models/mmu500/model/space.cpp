// SPDX-License-Identifier: Apache-2.0
#include "tests/models/mmu500/model/space.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace smmu::model::mmu500 {
namespace {

constexpr unsigned least_t0sz = 16;
constexpr unsigned most_t0sz = 39;
constexpr unsigned most_concatenated_log2 = 4;
constexpr std::uint64_t address_field = (1ull << 48) - 1;

unsigned bits_of_size_code(std::uint32_t code) {
    constexpr unsigned sizes[] = {32, 36, 40, 42, 44, 48, 48, 48};
    return sizes[code & 7];
}

// Device types are 0b0000dd00; of normal memory neither half is zero.
bool is_memory_type(std::uint8_t attribute) {
    return attribute >> 4 == 0 ? (attribute & 3) == 0 : (attribute & 0xf) != 0;
}

}  // namespace

std::optional<unsigned> SpaceReader::granule(unsigned index, unsigned code) const {
    constexpr unsigned log2[] = {12, 16, 14, 0};
    const bool known[] = {features_.granule_4k, features_.granule_64k, features_.granule_16k,
                          false};
    if (known[code]) return log2[code];
    complain_(
        fmt::format("bank {}: granule {} of TCR is reserved or not implemented", index, code));
    return std::nullopt;
}

void SpaceReader::check_walk_attributes(unsigned index, const Bank& bank) const {
    if ((bank.tcr >> 12 & 3) == 1)
        complain_(fmt::format("bank {}: reserved shareability in TCR", index));
    if (!features_.coherent && (bank.tcr >> 8 & 0xf) != 0)
        complain_(fmt::format("bank {}: walks are cacheable in TCR, and not coherent", index));
}

void SpaceReader::check_memory_types(unsigned index, const Bank& bank) const {
    for (unsigned i = 0; i < 8; ++i)
        if (const auto type = std::uint8_t(bank.mair >> 8 * i); !is_memory_type(type))
            complain_(
                fmt::format("bank {}: MAIR holds {:#x}, which is no memory type", index, type));
}

std::optional<Space> SpaceReader::common(unsigned index, const Bank& bank) const {
    if ((bank.cba2r & 1) == 0) {
        complain_(fmt::format("bank {}: AArch32 tables are not implemented", index));
        return std::nullopt;
    }
    if ((bank.sctlr & sctlr::e) != 0) {
        complain_(fmt::format("bank {}: big-endian tables are not modelled", index));
        return std::nullopt;
    }
    check_walk_attributes(index, bank);
    const auto granule_log2 = granule(index, bank.tcr >> 14 & 3);
    if (!granule_log2) return std::nullopt;
    const unsigned t0sz = bank.tcr & 0x3f;
    if (t0sz < least_t0sz || t0sz > most_t0sz || 64 - t0sz > features_.input_bits) {
        complain_(fmt::format("bank {}: T0SZ {} is out of range", index, t0sz));
        return std::nullopt;
    }
    Space space;
    space.granule_log2 = *granule_log2;
    space.input_bits = 64 - t0sz;
    space.output_bits = features_.output_bits;
    space.checks_access_flag = (bank.sctlr & sctlr::affd) == 0;
    space.prefetches = (bank.actlr & actlr::cpre) != 0;
    return space;
}

// The root is as large as the entries that it needs, and aligned to that.
void SpaceReader::set_root(unsigned index, std::uint64_t address, Space& space) const {
    const unsigned log2 = std::max(space.index_bits(space.start_level) + 3, 6u);
    const std::uint64_t inside = (1ull << log2) - 1;
    if ((address & inside) != 0)
        complain_(fmt::format("bank {}: the root table at {:#x} is not aligned to its {} bytes",
                              index, address, inside + 1));
    space.root = address & ~inside;
    if (space.root >> features_.output_bits != 0)
        complain_(fmt::format("bank {}: the root table at {:#x} is beyond {} bits", index, address,
                              features_.output_bits));
}

std::optional<Space> SpaceReader::first(unsigned index, const Bank& bank,
                                        std::uint16_t vmid) const {
    auto space = common(index, bank);
    if (!space) return std::nullopt;
    check_memory_types(index, bank);
    if ((bank.tcr >> 23 & 1) == 0)
        complain_(fmt::format("bank {}: EPD1 is clear, TTBR1 is walked too", index));
    if ((bank.tcr >> 7 & 1) != 0) return std::nullopt;  // EPD0: every walk faults
    if ((bank.tcr2 & 7) > 5)
        complain_(fmt::format("bank {}: PASize {} of TCR2 is reserved", index, bank.tcr2 & 7));
    space->output_bits = std::min(features_.output_bits, bits_of_size_code(bank.tcr2));
    space->mair = bank.mair;
    const bool by_second_base = (bank.tcr >> 22 & 1) != 0;
    auto asid = std::uint16_t((by_second_base ? bank.ttbr1 : bank.ttbr0) >> 48);
    if ((bank.tcr2 & tcr2::as) == 0) {
        if (asid > 0xff)
            complain_(fmt::format("bank {}: ASID {:#x} has more than 8 bits", index, asid));
        asid &= 0xff;
    }
    space->tag = {Stage::first, vmid, asid};
    for (space->start_level = 3;
         space->shift(space->start_level) + space->granule_log2 - 3 < space->input_bits;)
        --space->start_level;
    set_root(index, bank.ttbr0 & address_field, *space);
    return space;
}

// A level above needs physical addresses that a lower one cannot reach by concatenation.
bool SpaceReader::check_start_level(unsigned index, const Space& space) const {
    const bool too_high =
        (space.granule_log2 == 12 && space.start_level == 0 && features_.output_bits <= 42) ||
        (space.granule_log2 == 14 && space.start_level == 1 && features_.output_bits <= 40) ||
        (space.granule_log2 == 16 && space.start_level == 1 && features_.output_bits <= 42);
    const unsigned below = space.shift(space.start_level);
    const unsigned most = below + space.granule_log2 - 3 + most_concatenated_log2;
    if (!too_high && space.input_bits > below && space.input_bits <= most) return true;
    complain_(fmt::format("bank {}: a stage-2 walk of {} bits cannot start at level {}", index,
                          space.input_bits, space.start_level));
    return false;
}

std::optional<Space> SpaceReader::second(unsigned index, const Bank& bank,
                                         std::uint16_t vmid) const {
    auto space = common(index, bank);
    if (!space) return std::nullopt;
    if (bank.tcr >> 31 == 0)
        complain_(fmt::format("bank {}: bit 31 of a stage-2 TCR is clear", index));
    if ((bank.tcr & 0x7ff80000) != 0)
        complain_(fmt::format("bank {}: reserved bits of TCR are set: {:#x}", index, bank.tcr));
    if (bank.ttbr0 >> 48 != 0)
        complain_(fmt::format("bank {}: bits 63:48 of a stage-2 TTBR0 are set", index));
    if ((bank.tcr >> 16 & 7) > 5)
        complain_(fmt::format("bank {}: PS {} of TCR is reserved", index, bank.tcr >> 16 & 7));
    space->output_bits = std::min(features_.output_bits, bits_of_size_code(bank.tcr >> 16));
    if (space->input_bits > space->output_bits)
        complain_(fmt::format("bank {}: {} input bits of stage 2 are more than PS has", index,
                              space->input_bits));
    const unsigned sl0 = bank.tcr >> 6 & 3;
    if (sl0 == 3) {
        complain_(fmt::format("bank {}: SL0 3 is reserved", index));
        return std::nullopt;
    }
    space->start_level = (space->granule_log2 == 12 ? 2 : 3) - sl0;
    if (!check_start_level(index, *space)) return std::nullopt;
    space->tag = {Stage::second, vmid, Tag::any_asid};
    set_root(index, bank.ttbr0 & address_field, *space);
    return space;
}

}  // namespace smmu::model::mmu500
