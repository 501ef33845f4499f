// SPDX-License-Identifier: Apache-2.0
// Notification: smmu_xfer_notify, which hands the queue of a registration to the service.
#include <signal.h>
#include <smmu.h>

#include <cerrno>

#include "client/last_error.hpp"
#include "client/registration.hpp"
#include "client/session.hpp"

namespace smmu::client {
namespace {

using protocol::Checked;
using protocol::NotifyAction;
using protocol::NotifyRequest;
using protocol::Opcode;
using protocol::refuse;

Checked<int> cancel() {
    const Use session;
    const auto reply = session->call(Opcode::notify, NotifyRequest{NotifyAction::cancel, 0});
    if (!reply) return std::unexpected(reply.error());
    session->notification.reset();
    return 0;
}

Checked<int> arm(const sigevent& event) {
    if (event.sigev_notify != SIGEV_SIGNAL && event.sigev_notify != SIGEV_THREAD &&
        event.sigev_notify != SIGEV_NONE)
        return refuse(EINVAL, "smmu_xfer_notify: SIGEV_SIGNAL, SIGEV_THREAD or SIGEV_NONE");
    const Use session;
    if (const auto ready = session->connected(); !ready) return std::unexpected(ready.error());
    auto registration = Registration::make(event);
    if (!registration) return std::unexpected(registration.error());
    const auto reply = session->call(Opcode::notify, NotifyRequest{NotifyAction::arm, 0}, {},
                                     registration->queue());
    if (!reply) return std::unexpected(reply.error());
    session->notification = std::move(*registration);  // the earlier one is taken back
    return 0;
}

}  // namespace
}  // namespace smmu::client

extern "C" int smmu_xfer_notify(const struct sigevent* evp) {
    using namespace smmu::client;
    return finish(evp == nullptr ? cancel() : arm(*evp));
}
