// SPDX-License-Identifier: Apache-2.0
// Streams: which stream leads where: the stream groups, each an SMR that names one stream (mask 0)
// and an S2CR that says what becomes of it. The only writer of both. A unit that indexes has no
// SMR: the S2CR of a stream has its number.
#pragma once

#include <optional>
#include <vector>

#include "base/ids.hpp"
#include "units/smmuv2/hardware.hpp"

namespace smmu::units::smmuv2 {

// What a group does with its streams.
struct Target {
    StreamType type = StreamType::fault;
    unsigned bank = 0;  // of translate
    static Target to(unsigned bank) { return {StreamType::translate, bank}; }
    friend bool operator==(const Target&, const Target&) = default;
};

// A group as its registers say it.
struct Entry {
    std::uint32_t stream = 0, mask = 0;
    Target target;
    bool is_plain = false;  // one stream, nothing that this driver never sets
};
// Nothing when the group matches no stream. `extended`: how sCR0 has ids read.
std::optional<Entry> read_entry(const Hardware& hardware, unsigned group, bool extended);

class Streams {
public:
    explicit Streams(Hardware& hardware) : hardware_(hardware) {}

    // Every group refuses and none matches; nobody has one any more. Whatever was there, and
    // however ids are read.
    void close_all() noexcept;
    // EIO when something else than what was written is there: firmware may have its own idea of
    // these registers.
    Result<void> confirm() const;
    // The sentence of what is not as it was written.
    std::optional<std::string> difference() const;

    // Which bits of a stream an SMR compares, by trying; for closed groups only. EINVAL when a
    // stream here has others.
    Result<void> measure() noexcept;
    // Takes over the groups as they are, which were found to be plain.
    void adopt(const std::vector<std::optional<Entry>>& entries);

    // EINVAL for a stream that the unit cannot name.
    Result<void> check(StreamId stream) const;
    // Where the stream's group leads; nothing where it has none.
    std::optional<Target> target_of(StreamId stream) const;
    // By one store of the group that it has, or by a new one. ENOSPC when there is none.
    Result<void> point(StreamId stream, Target target) noexcept;
    // It refuses from here on, and its group is free unless it was pinned.
    void close(StreamId stream) noexcept;
    // A stream that keeps its group when it is closed, so that it can always be opened again.
    void pin(StreamId stream);
    // Streams that lead there may lose their group when another one needs it.
    void set_least_wanted(unsigned bank) { least_wanted_ = bank; }
    // Streams that have no group of their own pass; of a unit that indexes that is in the S2CRs.
    void let_unknown_pass() noexcept;

    bool lead_to(unsigned bank) const;
    std::vector<StreamId> present() const;
    unsigned in_use() const { return static_cast<unsigned>(present().size()); }

private:
    struct Group {
        std::optional<StreamId> stream;
        Target target;
        bool pinned = false;
    };
    const Features& features() const { return hardware_.features(); }
    std::optional<unsigned> find(StreamId stream) const;
    Result<void> check_holds(unsigned group, StreamId stream) const;
    std::optional<unsigned> take_group(StreamId stream) noexcept;
    Target target_without_stream() const;
    hw::Bits<StreamToContext> words_of(const Group& group) const;
    std::uint32_t match_of(const Group& group) const;
    void write_target(unsigned group) noexcept;
    void open(unsigned group) noexcept;
    void erase(unsigned group) noexcept;

    Hardware& hardware_;
    std::vector<Group> groups_ = std::vector<Group>(features().groups);
    std::optional<unsigned> least_wanted_;
    std::uint32_t usable_ = 0xffff;  // bits of a stream that are compared
    bool unknown_pass_ = false;
};

}  // namespace smmu::units::smmuv2
