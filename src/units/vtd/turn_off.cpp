// SPDX-License-Identifier: Apache-2.0
// Turn off: the one act of this driver that opens. Whoever asks for it has decided so.
#include "units/vtd/unit.hpp"

namespace smmu::units::vtd {

Result<void> VtdUnit::turn_off() noexcept {
    if (state_ != UnitState::containing) return stopped();
    auto done = hardware_.disable(GlobalCommand::translation, GlobalStatus::translation);
    if (done && queue_ && queue_->is_on())
        done = hardware_.disable(GlobalCommand::queued_invalidation, GlobalStatus::queued_invalidation);
    if (!done) {
        hard_stop();
        return done;
    }
    caches_.detach();
    queue_.reset();
    found_.reset();
    state_ = UnitState::untouched;
    return {};
}

}  // namespace smmu::units::vtd
