// SPDX-License-Identifier: Apache-2.0
#include "units/vtd/context_tables.hpp"

namespace smmu::units::vtd {
namespace {

constexpr std::size_t words_of_entry = sizeof(hw::Entry16) / sizeof(std::uint64_t);

}  // namespace

Result<ContextTables> ContextTables::adopt(PhysAddr root, memory::Arena& arena,
                                           memory::Account& account, memory::Coherency coherency,
                                           std::vector<memory::Frame>& leftover) {
    SMMU_TRY(memory::Frame adopted_root, arena.adopt(root, account));
    ContextTables tables(std::move(adopted_root), coherency);
    for (std::size_t bus = 0; bus < bus_count; ++bus) {
        const auto found = RootEntry::from(hw::load(tables.root_.words() + words_of_entry * bus));
        if (!found.is_present()) continue;
        auto frame = arena.adopt(found.contexts(), account);
        if (!frame) {
            for (memory::Frame& adopted : tables.release()) leftover.push_back(std::move(adopted));
            return pass_on(std::move(frame));
        }
        tables.contexts_[bus] = *std::move(frame);
    }
    return tables;
}

// The table is complete and visible before the root entry says that it is there.
void ContextTables::add_bus(StreamId stream, memory::Frame contexts) noexcept {
    SMMU_ASSERT(raw(stream) < stream_count && !has_bus(stream));
    const std::size_t bus = bus_of(stream);
    contexts_[bus] = std::move(contexts);
    memory::publish(coherency_, contexts_[bus].words(), memory::frame_bytes);
    std::uint64_t* const entry = root_.words() + words_of_entry * bus;
    hw::store(entry, RootEntry::pointing_to(contexts_[bus].address()).raw());
    memory::publish(coherency_, entry, sizeof(hw::Entry16));
}

std::uint64_t* ContextTables::slot(StreamId stream) const {
    SMMU_ASSERT(raw(stream) < stream_count && has_bus(stream));
    return contexts_[bus_of(stream)].words() + words_of_entry * (raw(stream) % functions_of_bus);
}

ContextEntry ContextTables::entry(StreamId stream) const noexcept {
    if (raw(stream) >= stream_count || !has_bus(stream)) return {};
    return ContextEntry::from(hw::load(slot(stream)));
}

void ContextTables::store(StreamId stream, const ContextEntry& entry) noexcept {
    std::uint64_t* const place = slot(stream);
    hw::store(place, entry.raw());
    memory::publish(coherency_, place, sizeof(hw::Entry16));
}

void ContextTables::visit(const std::function<void(StreamId, const ContextEntry&)>& visit) {
    for (std::uint32_t id = 0; id < stream_count; ++id) {
        const StreamId stream{id};
        if (!has_bus(stream)) {
            id |= functions_of_bus - 1;
            continue;
        }
        const ContextEntry found = entry(stream);
        if (!found.is_empty()) visit(stream, found);
    }
}

void ContextTables::publish_all() const noexcept {
    for (const memory::Frame& contexts : contexts_)
        if (contexts) memory::publish(coherency_, contexts.words(), memory::frame_bytes);
    memory::publish(coherency_, root_.words(), memory::frame_bytes);
}

std::vector<memory::Frame> ContextTables::release() {
    std::vector<memory::Frame> frames;
    for (memory::Frame& contexts : contexts_)
        if (contexts) frames.push_back(std::move(contexts));
    if (root_) frames.push_back(std::move(root_));
    return frames;
}

}  // namespace smmu::units::vtd
