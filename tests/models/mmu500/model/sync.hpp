// SPDX-License-Identifier: Apache-2.0
// Sync: invalidations on their way, of a context bank or of the global registers. They hold only
// once a sync of the same place has been seen to end.
#pragma once

#include <vector>

#include "tests/models/mmu500/model/features.hpp"
#include "tests/models/mmu500/model/tlb.hpp"

namespace smmu::model::mmu500 {

class Sync {
public:
    void add(const Invalidation& what) { waiting_.push_back(what); }
    // False when the last one has not been seen to end.
    bool start(const Behaviour& behaviour) {
        const bool in_order = !active_;
        syncing_.insert(syncing_.end(), waiting_.begin(), waiting_.end());
        waiting_.clear();
        active_ = true;
        readings_left_ = behaviour.sync_delay;
        return in_order;
    }
    // A reading of the status: whether the sync still runs.
    bool still_active(const Behaviour& behaviour, Tlb& tlb) {
        if (!active_) return false;
        if (behaviour.never_syncs || readings_left_ > 0) {
            if (readings_left_ > 0) --readings_left_;
            return true;
        }
        for (const Invalidation& what : syncing_) tlb.apply(what);
        syncing_.clear();
        active_ = false;
        return false;
    }
    // Whether something was asked for that nobody knows to hold.
    bool outstanding() const { return active_ || !waiting_.empty(); }
    // Something else has done all of it.
    void forget() { waiting_.clear(); }

private:
    std::vector<Invalidation> waiting_;
    std::vector<Invalidation> syncing_;
    bool active_ = false;
    unsigned readings_left_ = 0;
};

}  // namespace smmu::model::mmu500
