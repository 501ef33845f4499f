// SPDX-License-Identifier: Apache-2.0
// ContextTables: the root table and the context tables of one unit: which stream goes where. The
// only writer of their entries; every change of an entry is one 16-byte store.
#pragma once

#include <array>
#include <functional>

#include "base/ids.hpp"
#include "base/result.hpp"
#include "memory/arena.hpp"
#include "memory/coherency.hpp"
#include "units/vtd/entries.hpp"

namespace smmu::units::vtd {

// Requester ids have sixteen bits: bus, device, function.
inline constexpr std::uint32_t stream_count = 0x1'0000;
inline constexpr std::size_t bus_count = 256;
inline constexpr std::size_t functions_of_bus = 256;

class ContextTables {
public:
    // `root` is an empty frame: nothing present, everything refuses.
    ContextTables(memory::Frame root, memory::Coherency coherency)
        : root_(std::move(root)), coherency_(coherency) {}
    // Takes over the tables at `root`, contents included; they have been validated. What was
    // adopted before an error is added to `leftover`.
    static Result<ContextTables> adopt(PhysAddr root, memory::Arena& arena,
                                       memory::Account& account, memory::Coherency coherency,
                                       std::vector<memory::Frame>& leftover);

    PhysAddr root() const { return root_.address(); }
    bool has_bus(StreamId stream) const { return bool(contexts_[bus_of(stream)]); }
    // Links `contexts`, an empty frame, as the table of the stream's bus, which has none.
    void add_bus(StreamId stream, memory::Frame contexts) noexcept;

    // The entry of a stream; empty when its bus has no table.
    ContextEntry entry(StreamId stream) const noexcept;
    // Replaces the entry of a stream whose bus has a table, by one store that the unit can see on
    // return.
    void store(StreamId stream, const ContextEntry& entry) noexcept;
    // Every entry that is not empty. `visit` may store.
    void visit(const std::function<void(StreamId, const ContextEntry&)>& visit);

    // Makes everything visible to the unit: for tables it does not look at yet.
    void publish_all() const noexcept;
    // Hands out every frame; the tables are unusable afterwards.
    std::vector<memory::Frame> release();

private:
    static std::size_t bus_of(StreamId stream) { return raw(stream) >> 8; }
    std::uint64_t* slot(StreamId stream) const;

    memory::Frame root_;
    std::array<memory::Frame, bus_count> contexts_;
    memory::Coherency coherency_;
};

}  // namespace smmu::units::vtd
