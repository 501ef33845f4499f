// SPDX-License-Identifier: Apache-2.0
// HeldMemories: the client memory that one object's grants lead to, each under a number that a grant
// has room for. Bytes are counted: memory is let go when none of it is granted any more.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "containment/held_memory.hpp"

namespace smmu::containment {

inline constexpr unsigned memory_number_bits = 28;
enum class MemoryNumber : std::uint32_t { none = 0 };

class HeldMemories {
public:
    using Held = std::vector<std::shared_ptr<HeldMemory>>;

    // Nothing of it is granted yet. `none` for no memory.
    MemoryNumber add(std::shared_ptr<HeldMemory> memory);
    bool empty() const { return numbers_in_use_ == 0; }
    // Whether every byte of `range` is memory of that number.
    bool holds(MemoryNumber number, PhysRange range) const;

    void granted(MemoryNumber number, std::uint64_t bytes);
    void removed(MemoryNumber number, std::uint64_t bytes);
    // Gives up a number of which nothing is granted: what it stood for, to be let go when nothing reaches it.
    std::shared_ptr<HeldMemory> take_unused(MemoryNumber number);
    // All that is held.
    Held all() const;

private:
    struct Entry {
        std::shared_ptr<HeldMemory> memory;  // nothing: the number is free
        std::vector<PhysRange> ranges;       // its extents, ascending; neighbours are one
        std::uint64_t granted = 0;           // bytes
    };
    Entry& entry(MemoryNumber number) { return entries_[std::uint32_t(number) - 1]; }
    const Entry& entry(MemoryNumber number) const { return entries_[std::uint32_t(number) - 1]; }

    std::vector<Entry> entries_;
    std::vector<MemoryNumber> free_;
    std::size_t numbers_in_use_ = 0;
};

}  // namespace smmu::containment
