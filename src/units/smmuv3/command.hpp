// SPDX-License-Identifier: Apache-2.0
// Command: one entry of the command queue (IHI 0070, chapter 4), and the commands that make an address space forgotten.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/ids.hpp"
#include "base/range.hpp"
#include "units/smmuv3/features.hpp"

namespace smmu::units::smmuv3 {

struct Command {
    std::uint64_t low = 0, high = 0;
    friend bool operator==(const Command&, const Command&) = default;

    // What the unit remembers of a stream: its entry, and what its context pointer led to.
    static Command entry_of(StreamId stream);
    static Command context_of(StreamId stream);
    // Also what led to the entry: the descriptor of its part of the table.
    static Command path_of(StreamId stream);
    static Command all_entries();
    static Command all_translations();
    static Command all_hypervisor_translations();
    // Translations under one VMID (stage 2) or ASID (stage 1).
    static Command translations_of(std::uint16_t tag, const Features& features);
    // When it is done all before it are: nothing that they made forgotten is used by any DMA any more.
    static Command sync();
};

// Without range invalidation more pages than this are slower one by one than to refill what a whole space loses.
inline constexpr std::uint64_t single_page_limit = 64;

// Makes `ranges` of one tag forgotten: (NUM + 1) * 2^SCALE pages by a command where the unit can say that, single pages, or
// the whole tag where these are too many. `leaf_only`: no table was unlinked.
std::vector<Command> commands_for(std::span<const IovaRange> ranges, std::uint16_t tag, bool leaf_only,
                                  const Features& features);

}  // namespace smmu::units::smmuv3
