// SPDX-License-Identifier: Apache-2.0
#include "units/vtd/context_tables.hpp"

#include "memory/coherency.hpp"
#include "units/vtd/pasid_tables.hpp"

namespace smmu::units::vtd {

Result<ContextTables> ContextTables::adopt(PhysAddr root, const Features& features,
                                           memory::Arena& arena, memory::Account& account,
                                           std::vector<memory::Frame>& leftover) {
    SMMU_TRY(memory::Frame adopted_root, arena.adopt(root, account));
    ContextTables tables(std::move(adopted_root), features, arena);
    for (std::size_t index = 0; index < tables.layout_.tables(); ++index) {
        const auto found = TablePointer::from(
            tables.root_.words()[tables.layout_.words_per_pointer() * index]);
        if (!found.is_present()) continue;
        auto frame = arena.adopt(found.table(), account);
        if (!frame) {
            for (memory::Frame& adopted : tables.release()) leftover.push_back(std::move(adopted));
            return pass_on(std::move(frame));
        }
        tables.contexts_[index] = *std::move(frame);
    }
    return tables;
}

// The table is complete and visible before the root table says that it is there.
void ContextTables::add_table(StreamId stream, memory::Frame contexts) noexcept {
    SMMU_ASSERT(raw(stream) < stream_count && !has_table(stream));
    const std::size_t index = layout_.table_of(stream);
    contexts_[index] = std::move(contexts);
    memory::publish(features_.coherency, contexts_[index].words(), memory::frame_bytes);
    // Two pointers, or one and an empty word, are stored together.
    const std::size_t word = layout_.words_per_pointer() * index;
    std::uint64_t* const pair = root_.words() + word / 2 * 2;
    hw::Entry16 pointers = hw::load(pair);
    (word % 2 == 0 ? pointers.low : pointers.high) =
        TablePointer::to(contexts_[index].address()).raw();
    hw::store(pair, pointers);
    memory::publish(features_.coherency, pair, sizeof(hw::Entry16));
}

std::uint64_t* ContextTables::slot(StreamId stream) const {
    SMMU_ASSERT(raw(stream) < stream_count && has_table(stream));
    return contexts_[layout_.table_of(stream)].words() + layout_.place_of(stream);
}

// The entries of scalable mode do not say the domain; the tables that they lead to do.
StreamEntry ContextTables::entry(StreamId stream) const noexcept {
    if (raw(stream) >= stream_count || !has_table(stream)) return {};
    StreamEntry found = stream_entry(hw::load(slot(stream)));
    if (layout_.scalable && found.is_present()) {
        const auto pasid = read_pasid_tables(found.target->table, features_, arena_);
        SMMU_ASSERT(pasid.has_value());
        found.target->domain = pasid->domain();
    }
    return found;
}

void ContextTables::store(StreamId stream, const StreamEntry& entry) noexcept {
    std::uint64_t* const place = slot(stream);
    hw::store(place,
              layout_.scalable ? scalable_context(entry) : legacy_context(entry, features_.walk));
    memory::publish(features_.coherency, place, sizeof(hw::Entry16));
}

void ContextTables::visit(const std::function<void(StreamId, const StreamEntry&)>& visit) {
    for (std::uint32_t id = 0; id < stream_count; ++id) {
        const StreamId stream{id};
        if (!has_table(stream)) {
            id |= layout_.streams_per_table() - 1;
            continue;
        }
        const StreamEntry found = entry(stream);
        if (!found.is_empty()) visit(stream, found);
    }
}

void ContextTables::publish_all() const noexcept {
    for (const memory::Frame& contexts : contexts_)
        if (contexts) memory::publish(features_.coherency, contexts.words(), memory::frame_bytes);
    memory::publish(features_.coherency, root_.words(), memory::frame_bytes);
}

std::vector<memory::Frame> ContextTables::release() {
    std::vector<memory::Frame> frames;
    for (memory::Frame& contexts : contexts_)
        if (contexts) frames.push_back(std::move(contexts));
    if (root_) frames.push_back(std::move(root_));
    return frames;
}

}  // namespace smmu::units::vtd
