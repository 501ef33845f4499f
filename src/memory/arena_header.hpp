// SPDX-License-Identifier: Apache-2.0
// ArenaHeader: what an arena says about itself in its own first frames. It is read by a successor after any crash, so
// each change is one store, and what is found is taken as foreign bytes.
//
//   0   magic (written last, erased first)     40  number of frames, header included
//   8   version                                48  generation, and its complement in the upper half
//   16  boot identity                          64  one bit per frame: taken, and perhaps walked by hardware
//   32  physical address of frame 0
#pragma once

#include <cstdint>
#include <optional>

#include "memory/arena.hpp"
#include "memory/frame_bits.hpp"

namespace smmu::memory {

class ArenaHeader {
public:
    static constexpr std::uint64_t magic = 0x31414E4552415553;  // "SUARENA1"
    static constexpr std::uint32_t version = 2;
    static constexpr std::size_t taken_at = 64;
    // The number after the last one that a generation may have: it could not be told from a wrapped one.
    static constexpr std::uint32_t generation_end = 0xFFFF'FFFF;

    // `memory` has been checked: aligned, of whole frames, large enough.
    explicit ArenaHeader(TableMemory memory) : memory_(memory) {}

    std::uint32_t frames() const {
        return static_cast<std::uint32_t>(memory_.bytes.size() >> frame_log2);
    }
    // Frames that header and record occupy.
    std::uint32_t own_frames() const;

    // The generation of the arena found here; nothing when there is none of this boot. EEXIST: there is one, and hardware
    // may be walking it, but it has another size or version or is damaged: nothing in it may be touched.
    Result<std::optional<std::uint32_t>> found(const BootIdentity& boot) const;
    // Writes a new header, all frames free, generation 1.
    void write_new(const BootIdentity& boot);
    // Makes `generation` the current one. What was taken by an earlier one stays on record.
    void begin(std::uint32_t generation);

    // The frames on record as taken, by whatever generation.
    FrameBits taken() const;

private:
    template <class T>
    T load(std::size_t offset) const;
    template <class T>
    void store(std::size_t offset, T value);

    TableMemory memory_;
};

}  // namespace smmu::memory
