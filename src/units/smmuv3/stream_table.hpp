// SPDX-License-Identifier: Apache-2.0
// StreamTable: where hardware finds the entry of a stream: one table, or a level of pointers to tables of 256 entries. The
// only writer of both.
#pragma once

#include <functional>
#include <map>
#include <vector>

#include "base/ids.hpp"
#include "memory/arena.hpp"
#include "units/smmuv3/entries.hpp"

namespace smmu::units::smmuv3 {

// How a table for streams below 2^streams_log2 lies in memory.
struct StreamTableLayout {
    bool two_level = false;
    unsigned streams_log2 = 0;

    static constexpr unsigned split = 8;  // streams of one second-level table, log2

    // For every stream up to `largest`, and at least for all PCI requester ids where the unit knows so many.
    static StreamTableLayout for_streams(std::uint32_t largest, const Features& features);
    // As the registers say it; nothing when this driver makes none such.
    static std::optional<StreamTableLayout> from(hw::Bits<StreamTableShape> shape, const Features& features);
    hw::Bits<StreamTableShape> shape() const;

    std::uint64_t streams() const { return std::uint64_t{1} << streams_log2; }
    std::uint64_t root_bytes() const;
    unsigned root_order() const;
    static unsigned leaf_order() { return split + 6 - memory::frame_log2; }
    friend bool operator==(const StreamTableLayout&, const StreamTableLayout&) = default;
};

class StreamTable {
public:
    // `root` has layout.root_order() and is all zero.
    StreamTable(StreamTableLayout layout, memory::Frame root, const Features& features)
        : layout_(layout), root_(std::move(root)), features_(features) {}
    // Takes over what an earlier instance left, which was found to be sound. What was adopted before an error is in
    // `leftover`.
    static Result<StreamTable> adopt(PhysAddr root, StreamTableLayout layout, const Features& features, memory::Arena& arena,
                                     memory::Account& account, std::vector<memory::Frame>& leftover);

    const StreamTableLayout& layout() const { return layout_; }
    PhysAddr root() const { return root_.address(); }
    bool covers(StreamId stream) const { return raw(stream) < layout_.streams(); }
    // Whether there is a place for the stream's entry.
    bool has_place(StreamId stream) const;
    // `leaf` has leaf_order() and is all zero. The caller makes the path to it forgotten.
    void add_leaf(StreamId stream, memory::Frame leaf) noexcept;

    StreamEntry entry(StreamId stream) const noexcept;
    // One step that hardware may see happening: an entry appears, disappears, or changes in one word. The caller makes the
    // entry forgotten before the next one.
    void store(StreamId stream, const StreamEntry& entry) noexcept;
    void visit(const std::function<void(StreamId, const StreamEntry&)>& visit) const;

    // Every frame; the table is unusable afterwards.
    std::vector<memory::Frame> release();

private:
    std::uint64_t* words(StreamId stream) const;

    StreamTableLayout layout_;
    memory::Frame root_;
    std::map<std::uint32_t, memory::Frame> leaves_;  // by the upper bits of the stream
    Features features_;
};

// The pointer to a second-level table (IHI 0070, 5.1).
std::uint64_t leaf_pointer(PhysAddr leaf);

}  // namespace smmu::units::smmuv3
