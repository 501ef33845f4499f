// SPDX-License-Identifier: Apache-2.0
// Registration: what smmu_xfer_notify has armed: a message queue of one message, and what the service's message to it
// brings about, once. A signal is sent by the kernel. For a function a thread is made at once, which waits: when a
// refusal comes nothing has to be made any more.
#pragma once

#include <signal.h>

#include "base/unique_fd.hpp"
#include "protocol/failure.hpp"

namespace smmu::client {

class Registration {
public:
    constexpr Registration() = default;
    Registration(Registration&& other) noexcept;
    Registration& operator=(Registration&& other) noexcept;
    ~Registration() { reset(); }

    // `event`: SIGEV_SIGNAL, SIGEV_THREAD or SIGEV_NONE. EINVAL, EMFILE, EAGAIN and other codes of mq_open and
    // pthread_create.
    static protocol::Checked<Registration> make(const sigevent& event);

    // For the service.
    int queue() const;
    // Takes it back: nothing comes of it unless the service has sent its message already.
    void reset();
    // After fork(): the parent's registration stays in force.
    void abandon();

private:
    struct Waiting;
    static protocol::Checked<Registration> with_thread(UniqueFd queue, const sigevent& event);
    static void* wait_and_run(void* waiting);

    UniqueFd queue_;              // of a signal, or of nothing
    Waiting* waiting_ = nullptr;  // of a thread, with its queue; shared with the thread
};

}  // namespace smmu::client
