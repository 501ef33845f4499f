// SPDX-License-Identifier: Apache-2.0
#include "containment/storms.hpp"

namespace smmu::containment {

void Storms::count(UnitStream stream, bool known, Instant now) {
    if (!known && !streams_.contains(stream)) {
        if (strangers_ == most_strangers && !make_room_for_a_stranger(now)) return;
        ++strangers_;
    }
    Stream& state = streams_[stream];
    state.known = known;
    if (state.in_window == 0 || now - state.window_start > window) {
        state.window_start = now;
        state.in_window = 0;
    }
    ++state.in_window;
}

// One whose window is over and that is not muted goes.
bool Storms::make_room_for_a_stranger(Instant now) {
    for (auto it = streams_.begin(); it != streams_.end(); ++it) {
        const Stream& state = it->second;
        if (state.known || state.muted_at || now - state.window_start <= window) continue;
        streams_.erase(it);
        --strangers_;
        return true;
    }
    return false;
}

void Storms::forget(UnitStream stream) {
    const auto it = streams_.find(stream);
    if (it == streams_.end()) return;
    if (!it->second.known) --strangers_;
    streams_.erase(it);
}

std::vector<UnitStream> Storms::newly_storming(UnitId unit, Instant now) {
    const auto loss = last_loss_.find(unit);
    const bool losing = loss != last_loss_.end() && now - loss->second <= window;
    const std::uint64_t bound = losing ? overflow_refusals : storm_refusals;
    std::vector<UnitStream> result;
    for (auto& [stream, state] : streams_) {
        if (stream.unit != unit || state.muted_at || state.in_window < bound) continue;
        if (now - state.window_start > window) continue;
        state.muted_at = now;
        result.push_back(stream);
    }
    return result;
}

std::vector<UnitStream> Storms::newly_calm(Instant now) {
    std::vector<UnitStream> result;
    for (auto it = streams_.begin(); it != streams_.end();) {
        if (it->second.muted_at && now - *it->second.muted_at >= mute_time) {
            result.push_back(it->first);
            if (!it->second.known) --strangers_;
            it = streams_.erase(it);
        } else {
            ++it;
        }
    }
    return result;
}

}  // namespace smmu::containment
