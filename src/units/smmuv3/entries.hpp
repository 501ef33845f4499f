// SPDX-License-Identifier: Apache-2.0
// Stream table entries and context descriptors as this driver writes them (IHI 0070, chapter 5): an entry is absent, or
// leads to the tables of one address space. A refusing stream has a space in which nothing is mapped.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "base/address.hpp"
#include "units/smmuv3/features.hpp"

namespace smmu::units::smmuv3 {

inline constexpr std::size_t entry_words = 8;  // of stream table entries and of context descriptors
inline constexpr std::size_t entry_bytes = entry_words * sizeof(std::uint64_t);

// What leads to one address space. Stage 2: its root table, and the VMID. Stage 1: its pair of context descriptors; the
// ASID is in them.
struct StreamTarget {
    PhysAddr table;
    std::uint16_t tag = 0;
    friend bool operator==(const StreamTarget&, const StreamTarget&) = default;
};

struct StreamEntry {
    std::optional<StreamTarget> target;  // nothing: the stream is not known
    bool muted = false;                  // refusals are not recorded

    static StreamEntry translating(StreamTarget target, bool muted) { return {target, muted}; }
    friend bool operator==(const StreamEntry&, const StreamEntry&) = default;
};

// The words of an entry that are ever other than zero. Word 0 holds the valid bit; two present entries of stage 1 differ
// in word 0 alone, two of stage 2 in words 2 and 3.
using EntryWords = std::array<std::uint64_t, 4>;

EntryWords encode(const StreamEntry& entry, const Features& features);
// Nothing when the words are not what encode() makes. Of stage 1 the tag is not known: it is in the descriptor.
std::optional<StreamEntry> decode(const std::uint64_t* words, const Features& features);

// Stage 1: two descriptors of one space, side by side in `frame`: one that records refusals, one that does not.
void write_descriptors(std::uint64_t* frame, PhysAddr root, std::uint16_t asid, const Features& features);
// The ASID of a pair that write_descriptors() made; nothing for anything else. `root` is where its tables begin.
struct DescriptorPair {
    PhysAddr root;
    std::uint16_t asid;
};
std::optional<DescriptorPair> read_descriptors(const std::uint64_t* frame, const Features& features);

}  // namespace smmu::units::smmuv3
