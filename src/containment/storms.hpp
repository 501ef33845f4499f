// SPDX-License-Identifier: Apache-2.0
// Storms: which streams refuse so often that they keep a unit's log full, and for how long they
// stay muted. Only streams of known devices are counted, so a stranger's ids cannot make this grow.
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

    void count(UnitStream stream, Instant now);
    void unit_lost(UnitId unit, Instant now) { last_loss_[unit] = now; }

    // Streams of the unit that should be muted now; each is named once, until it is unmuted.
    std::vector<UnitStream> newly_storming(UnitId unit, Instant now);
    // Streams whose time is over.
    std::vector<UnitStream> newly_calm(Instant now);
    // The stream was switched, which unmutes it.
    void forget(UnitStream stream) { streams_.erase(stream); }

private:
    struct Stream {
        Instant window_start{};
        std::uint64_t in_window = 0;
        std::optional<Instant> muted_at;
    };
    std::map<UnitStream, Stream> streams_;
    std::map<UnitId, Instant> last_loss_;
};

}  // namespace smmu::containment
