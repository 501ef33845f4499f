// SPDX-License-Identifier: Apache-2.0
// Change: what is asked of an address space. Ranges are whole granules of the space.
#pragma once

#include <span>
#include <variant>
#include <vector>

#include "base/access.hpp"
#include "base/range.hpp"
#include "memory/frame.hpp"

namespace smmu::paging {

// Nothing in `range` is reachable afterwards. Parts that hold nothing are skipped.
struct Unmap {
    IovaRange range;
    friend bool operator==(const Unmap&, const Unmap&) = default;
};

// `range` reaches physical memory from `physical` on; or, where `pages` is given, each granule of it the one that the list
// names, and `physical` counts for nothing. Nothing in `range` may be mapped, but for what the same request unmaps.
struct Map {
    IovaRange range;
    PhysAddr physical;
    Access access;
    const PhysAddr* pages = nullptr;  // one per granule; whoever asks keeps the list until the request is over
    friend bool operator==(const Map&, const Map&) = default;
};

using Change = std::variant<Unmap, Map>;

// One request, checked and with every frame it can need: committing it cannot fail but for hardware.
// Its removals (all of them, and their flush) come before its first addition.
class Plan {
public:
    struct Parts {
        std::vector<Unmap> removals;    // ascending, disjoint; whole leaves: a leaf cut in part is removed whole ...
        std::vector<Map> additions;     // ... and what must stay of it is among these, with what was asked
        std::vector<IovaRange> disturbed;  // granted before and after, refused while this is carried out
        std::vector<IovaRange> starved;    // should have stayed but could not be rebuilt for lack of frames: closed
        std::vector<memory::Frame> frames;  // runs; those to begin with last
        std::uint64_t returning = 0;        // tables that additions need besides, when the removals have given them back
        unsigned reserved_before = 0;       // what the table's reserve was for: see PageTable
        std::size_t next_addition = 0;      // cursor of the adding stage
        std::uint64_t added_bytes = 0;      // of additions[next_addition]
    };

    Plan() = default;  // nothing to do
    explicit Plan(Parts parts) : parts_(std::move(parts)) {}

    std::span<const Unmap> removals() const { return parts_.removals; }
    std::span<const Map> additions() const { return parts_.additions; }
    std::span<const IovaRange> disturbed() const { return parts_.disturbed; }
    std::span<const IovaRange> starved() const { return parts_.starved; }
    Parts& parts() { return parts_; }

    enum class Stage : std::uint8_t { removing, adding, done } stage = Stage::removing;

private:
    Parts parts_;
};

// How much one step may do before it lets others go on: tables filled or entries stored in bulk.
struct Budget {
    std::uint64_t tables = ~std::uint64_t{0};
};

enum class Progress { more, done };

}  // namespace smmu::paging
