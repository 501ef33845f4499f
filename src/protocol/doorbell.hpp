// SPDX-License-Identifier: Apache-2.0
// Doorbell: how the service tells a client that records wait. Both kinds are made by the client and
// handed over as a descriptor. The client keeps its own copy and could make any ordinary write
// block for ever, so the service rings with calls that cannot wait whatever state the descriptor is
// in.
//
// Notification: a message queue of one message on which the client has called mq_notify(), so that
// the first message makes its kernel deliver a signal, once; or on which a thread of the client
// waits for that message. Wake channel: a
// connected pair of local packet sockets; the client polls the other end, which also tells it when
// the service has ended.
#pragma once

#include "base/unique_fd.hpp"
#include "protocol/failure.hpp"

namespace smmu::protocol {

// For the service, on receiving one. EINVAL when the descriptor is of another kind.
Checked<> check_notification(int descriptor);
Checked<> check_wake_channel(int descriptor);

// For the service. A client that does not listen any more, or was rung already, is no error.
void fire_notification(int descriptor) noexcept;
void ring_wake_channel(int descriptor) noexcept;

// For the client. Waits for the message of the service, without a limit: true. False: the
// notification was called off.
bool wait_for_notification(int descriptor) noexcept;
// Whoever waits, or will, waits no longer; without effect once the service has fired.
void call_off_notification(int descriptor) noexcept;

struct WakeChannel {
    UniqueFd ours;
    UniqueFd theirs;
};
Checked<WakeChannel> make_wake_channel();
// Takes every ring that has come, so that poll() waits for the next.
void quiet_wake_channel(int ours) noexcept;

}  // namespace smmu::protocol
