// SPDX-License-Identifier: Apache-2.0
#include "tests/models/rcar/model/registers.hpp"

namespace smmu::model::rcar {
namespace {

constexpr unsigned context_bytes = 0x40;

// Micro-TLBs 0 to 31, and from 32 on.
Place slot_place(unsigned offset) {
    const bool is_low = offset >= 0x300 && offset < 0x500;
    const bool is_high = offset >= 0x600 && offset < 0x800;
    if (!is_low && !is_high) return {};
    const unsigned index = is_low ? (offset - 0x300) / 16 : 32 + (offset - 0x600) / 16;
    return {Place::Kind::slot, index, offset % 16};
}

Place third_generation(unsigned offset) {
    if (offset < 8 * context_bytes)
        return {Place::Kind::context, offset / context_bytes, offset % context_bytes};
    if (const Place found = slot_place(offset); found.kind != Place::Kind::none) return found;
    return {Place::Kind::unit, 0, offset};
}

// Each context has a page of its own, and a place in it that moves on with its number.
Place fourth_generation(unsigned offset) {
    if (offset >= 0x10000) {
        const unsigned index = (offset - 0x10000) / 0x1000;
        const unsigned start =
            index < 8 ? index * context_bytes : 0x800 + (index - 8) * context_bytes;
        const unsigned inside = offset % 0x1000 - start;
        if (index >= 16 || inside >= context_bytes) return {};
        return {Place::Kind::context, index, inside};
    }
    if (offset >= 0x3000 && offset < 0x4000) return slot_place(offset - 0x3000);
    if (offset >= 0x1000 && offset < 0x2000) return {Place::Kind::unit, 0, offset - 0x1000};
    return {};
}

}  // namespace

Place place(unsigned generation, std::uint64_t offset) {
    return generation == 4 ? fourth_generation(unsigned(offset))
                           : third_generation(unsigned(offset));
}

}  // namespace smmu::model::rcar
