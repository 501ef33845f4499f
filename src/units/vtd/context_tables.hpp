// SPDX-License-Identifier: Apache-2.0
// ContextTables: the root table and the context tables of one unit, of either mode: which stream
// goes where. The only writer of their entries; every change of an entry is one 16-byte store.
//
//            root table        context table        entry
//   legacy   16 bytes per bus  256 functions        16 bytes
//   scalable  8 bytes per half 128 functions        32 bytes, of which the upper 24 are always 0
#pragma once

#include <array>
#include <functional>

#include "base/ids.hpp"
#include "base/result.hpp"
#include "memory/arena.hpp"
#include "units/vtd/entries.hpp"

namespace smmu::units::vtd {

// Requester ids have sixteen bits: bus, device, function.
inline constexpr std::uint32_t stream_count = 0x1'0000;

// Where entries are.
struct ContextLayout {
    bool scalable = false;

    explicit ContextLayout(TableMode mode) : scalable(mode == TableMode::scalable) {}
    std::uint32_t streams_per_table() const { return scalable ? 128 : 256; }
    std::size_t tables() const { return stream_count / streams_per_table(); }
    std::size_t words_per_entry() const { return scalable ? 4 : 2; }
    std::size_t words_per_pointer() const { return scalable ? 1 : 2; }
    std::size_t table_of(StreamId stream) const { return raw(stream) / streams_per_table(); }
    // Of the stream's entry in its context table, in words.
    std::size_t place_of(StreamId stream) const {
        return words_per_entry() * (raw(stream) % streams_per_table());
    }
};

class ContextTables {
public:
    // `root` is an empty frame: nothing present, everything refuses.
    ContextTables(memory::Frame root, const Features& features, const memory::Arena& arena)
        : layout_(features.walk.mode),
          features_(features),
          arena_(arena),
          root_(std::move(root)) {}
    // Takes over the tables at `root`, contents included; they have been validated. What was
    // adopted before an error is added to `leftover`.
    static Result<ContextTables> adopt(PhysAddr root, const Features& features,
                                       memory::Arena& arena, memory::Account& account,
                                       std::vector<memory::Frame>& leftover);

    PhysAddr root() const { return root_.address(); }
    bool has_table(StreamId stream) const { return bool(contexts_[layout_.table_of(stream)]); }
    // Links `contexts`, an empty frame, as the table that holds the stream's entry; there is none.
    void add_table(StreamId stream, memory::Frame contexts) noexcept;

    // The entry of a stream; empty when it has no table.
    StreamEntry entry(StreamId stream) const noexcept;
    // Replaces the entry of a stream that has a table, by one store that the unit can see on return.
    void store(StreamId stream, const StreamEntry& entry) noexcept;
    // Every entry that is not empty. `visit` may store.
    void visit(const std::function<void(StreamId, const StreamEntry&)>& visit);

    // Makes everything visible to the unit: for tables it does not look at yet.
    void publish_all() const noexcept;
    // Hands out every frame; the tables are unusable afterwards.
    std::vector<memory::Frame> release();

private:
    std::uint64_t* slot(StreamId stream) const;

    ContextLayout layout_;
    const Features& features_;
    const memory::Arena& arena_;
    memory::Frame root_;
    std::array<memory::Frame, stream_count / 128> contexts_;
};

}  // namespace smmu::units::vtd
