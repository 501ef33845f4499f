// SPDX-License-Identifier: Apache-2.0
#include "client/registration.hpp"

#include <mqueue.h>
#include <pthread.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <utility>

#include "protocol/doorbell.hpp"

namespace smmu::client {

using protocol::Checked;
using protocol::refuse;
using protocol::refuse_errno;

// What thread and registration share; whoever lets go last ends it.
struct Registration::Waiting {
    Waiting(UniqueFd of, const sigevent& event)
        : queue(std::move(of)), function(event.sigev_notify_function), value(event.sigev_value) {}

    void let_go() {
        if (--holders != 0) return;
        this->~Waiting();
        std::free(this);
    }

    std::atomic<int> holders{2};
    UniqueFd queue;
    void (*function)(sigval);
    sigval value;
};

namespace {

constexpr int name_attempts = 16;

// A queue that has lost its name at once: only descriptors reach it.
Checked<UniqueFd> make_queue() {
    mq_attr attributes{};
    attributes.mq_maxmsg = 1;
    attributes.mq_msgsize = 1;
    for (int attempt = 0; attempt < name_attempts; ++attempt) {
        timespec now{};
        clock_gettime(CLOCK_MONOTONIC, &now);
        std::array<char, 64> name{};
        std::snprintf(name.data(), name.size(), "/smmu-%d-%lld-%ld-%d", int(getpid()),
                      static_cast<long long>(now.tv_sec), now.tv_nsec, attempt);
        UniqueFd queue(
            mq_open(name.data(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600, &attributes));
        if (!queue && errno == EEXIST) continue;
        if (!queue)
            return refuse_errno(
                errno, "smmu_xfer_notify: cannot make a message queue (see RLIMIT_MSGQUEUE)");
        mq_unlink(name.data());
        return queue;
    }
    return refuse(EAGAIN, "smmu_xfer_notify: cannot find a free name for a message queue");
}

}  // namespace

Registration::Registration(Registration&& other) noexcept
    : queue_(std::move(other.queue_)), waiting_(std::exchange(other.waiting_, nullptr)) {}

Registration& Registration::operator=(Registration&& other) noexcept {
    if (this == &other) return *this;
    reset();
    queue_ = std::move(other.queue_);
    waiting_ = std::exchange(other.waiting_, nullptr);
    return *this;
}

Checked<Registration> Registration::make(const sigevent& event) {
    auto queue = make_queue();
    if (!queue) return std::unexpected(queue.error());
    if (event.sigev_notify == SIGEV_THREAD) return with_thread(std::move(*queue), event);
    if (mq_notify(queue->get(), &event) != 0)
        return refuse_errno(errno, "smmu_xfer_notify: not a valid event");
    Registration made;
    made.queue_ = std::move(*queue);
    return made;
}

Checked<Registration> Registration::with_thread(UniqueFd queue, const sigevent& event) {
    if (event.sigev_notify_function == nullptr)
        return refuse(EINVAL, "smmu_xfer_notify: SIGEV_THREAD without a function");
    void* const memory = std::malloc(sizeof(Waiting));
    if (memory == nullptr) return refuse(ENOMEM, "smmu_xfer_notify: no memory");
    Registration made;
    made.waiting_ = new (memory) Waiting(std::move(queue), event);
    // The program's signals are for its own threads.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_t thread{};
    const int code = pthread_create(
        &thread, static_cast<const pthread_attr_t*>(event.sigev_notify_attributes), wait_and_run,
        made.waiting_);
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    if (code == 0) return made;
    made.waiting_->let_go();  // there is no thread to do so
    return refuse_errno(code, "smmu_xfer_notify: cannot make a thread");
}

void* Registration::wait_and_run(void* shared) {
    pthread_detach(pthread_self());  // without effect where the program's attributes say so already
    auto* const waiting = static_cast<Waiting*>(shared);
    const bool fired = protocol::wait_for_notification(waiting->queue.get());
    const auto function = waiting->function;
    const sigval value = waiting->value;
    waiting->let_go();
    if (fired) function(value);
    return nullptr;
}

int Registration::queue() const {
    return waiting_ != nullptr ? waiting_->queue.get() : queue_.get();
}

void Registration::reset() {
    queue_.reset();  // which takes back what mq_notify() was told
    if (waiting_ == nullptr) return;
    protocol::call_off_notification(waiting_->queue.get());
    std::exchange(waiting_, nullptr)->let_go();
}

void Registration::abandon() {
    queue_.reset();
    if (waiting_ == nullptr) return;
    // There is no thread here. The memory stays: another thread may have been in the middle of something.
    waiting_->queue.reset();
    waiting_ = nullptr;
}

}  // namespace smmu::client
