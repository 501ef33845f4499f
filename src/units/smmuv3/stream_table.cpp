// SPDX-License-Identifier: Apache-2.0
#include "units/smmuv3/stream_table.hpp"

#include <algorithm>
#include <atomic>
#include <bit>

#include "memory/coherency.hpp"

namespace smmu::units::smmuv3 {
namespace {

constexpr std::uint64_t span_of_256 = 9;  // of a pointer: 2^(Span - 1) entries
constexpr unsigned requester_id_bits = 16;
constexpr std::uint64_t pointer_bytes = sizeof(std::uint64_t);
constexpr std::uint64_t two_level_format = 1;

}  // namespace

std::uint64_t leaf_pointer(PhysAddr leaf) { return leaf.value | span_of_256; }

StreamTableLayout StreamTableLayout::for_streams(std::uint32_t largest, const Features& features) {
    const unsigned needed = std::max<unsigned>(std::bit_width(largest), requester_id_bits);
    const unsigned log2 = std::min(needed, features.stream_bits);
    // Tables smaller than one of the second level need no first one.
    return {features.two_level_streams && log2 > split, log2};
}

std::optional<StreamTableLayout> StreamTableLayout::from(hw::Bits<StreamTableShape> shape, const Features& features) {
    const StreamTableLayout layout{shape[StreamTableShape::format] == two_level_format,
                                   unsigned(shape[StreamTableShape::streams_log2])};
    if (layout.shape() != shape || layout.streams_log2 > features.stream_bits) return std::nullopt;
    return layout;
}

hw::Bits<StreamTableShape> StreamTableLayout::shape() const {
    return StreamTableShape::format.of(two_level ? two_level_format : 0) | StreamTableShape::split.of(two_level ? split : 0) |
           StreamTableShape::streams_log2.of(streams_log2);
}

std::uint64_t StreamTableLayout::root_bytes() const {
    return two_level ? (streams() >> split) * pointer_bytes : streams() * entry_bytes;
}

unsigned StreamTableLayout::root_order() const {
    const auto log2 = unsigned(std::bit_width(root_bytes() - 1));
    return log2 > memory::frame_log2 ? log2 - memory::frame_log2 : 0;
}

Result<StreamTable> StreamTable::adopt(PhysAddr root, StreamTableLayout layout, const Features& features, memory::Arena& arena,
                                       memory::Account& account, std::vector<memory::Frame>& leftover) {
    SMMU_TRY(memory::Frame frame, arena.adopt(root, account, layout.root_order()));
    StreamTable table(layout, std::move(frame), features);
    if (!layout.two_level) return table;
    for (std::uint32_t index = 0; index < layout.streams() >> StreamTableLayout::split; ++index) {
        const std::uint64_t pointer = table.root_.words()[index];
        if (pointer == 0) continue;
        auto leaf = arena.adopt(PhysAddr{pointer - span_of_256}, account, StreamTableLayout::leaf_order());
        if (!leaf) {
            for (memory::Frame& adopted : table.release()) leftover.push_back(std::move(adopted));
            return pass_on(std::move(leaf));
        }
        table.leaves_.emplace(index, *std::move(leaf));
    }
    return table;
}

bool StreamTable::has_place(StreamId stream) const {
    if (!covers(stream)) return false;
    return !layout_.two_level || leaves_.contains(raw(stream) >> StreamTableLayout::split);
}

// The table is complete and visible before the pointer says that it is there.
void StreamTable::add_leaf(StreamId stream, memory::Frame leaf) noexcept {
    SMMU_ASSERT(layout_.two_level && covers(stream) && !has_place(stream));
    const std::uint32_t index = raw(stream) >> StreamTableLayout::split;
    memory::publish(features_.coherency, leaf.words(), memory::frame_bytes << StreamTableLayout::leaf_order());
    std::uint64_t* const place = root_.words() + index;
    std::atomic_ref<std::uint64_t>(*place).store(leaf_pointer(leaf.address()), std::memory_order_release);
    memory::publish(features_.coherency, place, pointer_bytes);
    leaves_.emplace(index, std::move(leaf));
}

std::uint64_t* StreamTable::words(StreamId stream) const {
    SMMU_ASSERT(has_place(stream));
    if (!layout_.two_level) return root_.words() + entry_words * raw(stream);
    constexpr std::uint32_t below = (1u << StreamTableLayout::split) - 1;
    return leaves_.at(raw(stream) >> StreamTableLayout::split).words() + entry_words * (raw(stream) & below);
}

StreamEntry StreamTable::entry(StreamId stream) const noexcept {
    if (!has_place(stream)) return {};
    const auto found = decode(words(stream), features_);
    SMMU_ASSERT(found.has_value());
    return *found;
}

void StreamTable::store(StreamId stream, const StreamEntry& entry) noexcept {
    std::uint64_t* const place = words(stream);
    const EntryWords next = encode(entry, features_);
    const auto put = [&](std::size_t word) {
        std::atomic_ref<std::uint64_t>(place[word]).store(next[word], std::memory_order_release);
    };
    const bool was_present = this->entry(stream).target.has_value();
    if (was_present && entry.target) {
        std::size_t changed = 0;
        for (std::size_t word = 0; word < next.size(); ++word) {
            if (place[word] == next[word]) continue;
            put(word);
            ++changed;
        }
        SMMU_ASSERT(changed <= 1);
    } else if (entry.target) {
        for (const std::size_t word : {1u, 2u, 3u}) put(word);
        memory::publish(features_.coherency, place, entry_bytes);
        put(0);
    } else {
        put(0);  // the others mean nothing from now on
    }
    memory::publish(features_.coherency, place, entry_bytes);
}

void StreamTable::visit(const std::function<void(StreamId, const StreamEntry&)>& visit) const {
    const auto part = [&](std::uint32_t first, std::uint64_t count) {
        for (std::uint64_t i = 0; i < count; ++i) {
            const StreamId stream{std::uint32_t(first + i)};
            if (const StreamEntry found = entry(stream); found.target) visit(stream, found);
        }
    };
    if (!layout_.two_level) return part(0, layout_.streams());
    for (const auto& [index, leaf] : leaves_)
        part(index << StreamTableLayout::split, std::uint64_t{1} << StreamTableLayout::split);
}

std::vector<memory::Frame> StreamTable::release() {
    std::vector<memory::Frame> frames;
    for (auto& [index, leaf] : leaves_) frames.push_back(std::move(leaf));
    leaves_.clear();
    if (root_) frames.push_back(std::move(root_));
    return frames;
}

}  // namespace smmu::units::smmuv3
