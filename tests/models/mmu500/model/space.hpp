// SPDX-License-Identifier: Apache-2.0
// Space: the address space that a context bank describes, in terms of its tables.
#pragma once

#include <optional>

#include "tests/models/mmu500/model/bank.hpp"
#include "tests/models/mmu500/model/voice.hpp"

namespace smmu::model::mmu500 {

struct Space {
    Tag tag;
    unsigned granule_log2 = 12;
    unsigned input_bits = 0;
    unsigned start_level = 0;
    std::uint64_t root = 0;
    unsigned output_bits = 48;
    std::uint64_t mair = 0;
    bool checks_access_flag = true;
    bool prefetches = false;

    // Address bits that an entry of a table of `level` covers.
    constexpr unsigned shift(unsigned level) const { return granule_log2 + (3 - level) * (granule_log2 - 3); }
    // Index bits of a table of `level`; of the root with all its concatenated tables.
    unsigned index_bits(unsigned level) const {
        return level == start_level ? input_bits - shift(level) : granule_log2 - 3;
    }
    // A block or a page may stand in a table of `level`.
    bool may_end_at(unsigned level) const {
        return level == 3 || level == 2 || (level == 1 && granule_log2 == 12);
    }
};

// What the bank's registers say; nothing when no walk can begin. Complains of each thing that is
// reserved, or beyond what the unit can do.
class SpaceReader {
public:
    SpaceReader(const Features& features, const Voice& complain)
        : features_(features), complain_(complain) {}

    std::optional<Space> first(unsigned index, const Bank& bank, std::uint16_t vmid) const;
    std::optional<Space> second(unsigned index, const Bank& bank, std::uint16_t vmid) const;

private:
    std::optional<Space> common(unsigned index, const Bank& bank) const;
    std::optional<unsigned> granule(unsigned index, unsigned code) const;
    void check_walk_attributes(unsigned index, const Bank& bank) const;
    void check_memory_types(unsigned index, const Bank& bank) const;
    bool check_start_level(unsigned index, const Space& space) const;
    void set_root(unsigned index, std::uint64_t address, Space& space) const;

    const Features& features_;
    const Voice& complain_;
};

}  // namespace smmu::model::mmu500
