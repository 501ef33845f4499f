// SPDX-License-Identifier: Apache-2.0
// Storms: which streams refuse so often that they keep a unit's log full, and for how long they
// stay muted. Of streams that no known device has, a bounded number is counted at a time.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "base/clock.hpp"
#include "containment/groups.hpp"

namespace smmu::containment {

class Storms {
public:
    static constexpr Nanoseconds window = std::chrono::milliseconds(100);
    static constexpr std::uint64_t storm_refusals = 512;  // in one window
    // In a window in which the unit lost refusals: its log is smaller than the storm.
    static constexpr std::uint64_t overflow_refusals = 32;
    static constexpr Nanoseconds mute_time = std::chrono::seconds(1);

    static constexpr std::size_t most_strangers = 256;

    // `known`: some device has this stream.
    void count(UnitStream stream, bool known, Instant now);
    void unit_lost(UnitId unit, Instant now) { last_loss_[unit] = now; }

    // Streams of the unit that should be muted now; each is named once, until it is unmuted.
    std::vector<UnitStream> newly_storming(UnitId unit, Instant now);
    // Streams whose time is over.
    std::vector<UnitStream> newly_calm(Instant now);
    // The stream was switched, which unmutes it.
    void forget(UnitStream stream);

private:
    struct Stream {
        Instant window_start{};
        std::uint64_t in_window = 0;
        bool known = true;
        std::optional<Instant> muted_at;
    };
    bool make_room_for_a_stranger(Instant now);

    std::map<UnitStream, Stream> streams_;
    std::size_t strangers_ = 0;  // in streams_
    std::map<UnitId, Instant> last_loss_;
};

}  // namespace smmu::containment
