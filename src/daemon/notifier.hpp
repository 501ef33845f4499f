// SPDX-License-Identifier: Apache-2.0
// Notifier: how one client learns that records wait for it: by the sigevent it registered, once, and by the channel
// it polls. Both were made by the client and handed over; ringing them never waits (protocol/doorbell.hpp).
#pragma once

#include "base/unique_fd.hpp"
#include "protocol/doorbell.hpp"

namespace smmu::daemon {

class Notifier {
public:
    void arm(UniqueFd notification) { notification_ = std::move(notification); }
    void cancel() { notification_.reset(); }
    void wake_by(UniqueFd channel) { channel_ = std::move(channel); }

    // Records wait. The registration is used up by this; the channel is not.
    void ring() noexcept {
        if (notification_) protocol::fire_notification(notification_.get());
        notification_.reset();
        if (channel_) protocol::ring_wake_channel(channel_.get());
    }

private:
    UniqueFd notification_;
    UniqueFd channel_;
};

}  // namespace smmu::daemon
