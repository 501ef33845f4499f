// SPDX-License-Identifier: Apache-2.0
#include "protocol/doorbell.hpp"

#include <mqueue.h>
#include <sys/socket.h>
#include <time.h>

#include <cerrno>

namespace smmu::protocol {
namespace {

// More rings than this cannot wait: the channel holds few, and each is one byte.
constexpr int quiet_limit = 4096;

constexpr char fired = 0, called_off = 1;  // the message

void send_message(int queue, char message) noexcept {
    // A time that has passed: returns at once when the queue is full, even if the client took
    // O_NONBLOCK away.
    const timespec passed{0, 0};
    while (mq_timedsend(queue, &message, 1, 0, &passed) != 0 && errno == EINTR) {
    }
}

bool socket_option_is(int descriptor, int option, int wanted) {
    int value = 0;
    socklen_t size = sizeof(value);
    return getsockopt(descriptor, SOL_SOCKET, option, &value, &size) == 0 && value == wanted;
}

}  // namespace

Checked<> check_notification(int descriptor) {
    mq_attr attributes{};
    if (mq_getattr(descriptor, &attributes) != 0)
        return refuse(EINVAL, "a notification needs the descriptor of a message queue");
    return {};
}

Checked<> check_wake_channel(int descriptor) {
    if (!socket_option_is(descriptor, SO_DOMAIN, AF_UNIX) ||
        !socket_option_is(descriptor, SO_TYPE, SOCK_SEQPACKET))
        return refuse(EINVAL, "a wake channel needs one end of a pair of local packet sockets");
    return {};
}

void fire_notification(int descriptor) noexcept {
    send_message(descriptor, fired);
}

void call_off_notification(int descriptor) noexcept {
    send_message(descriptor, called_off);
}

bool wait_for_notification(int descriptor) noexcept {
    char message = called_off;
    while (mq_receive(descriptor, &message, 1, nullptr) < 0)
        if (errno != EINTR) return false;
    return message == fired;
}

void ring_wake_channel(int descriptor) noexcept {
    const char message = 0;
    while (send(descriptor, &message, 1, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && errno == EINTR) {
    }
}

Checked<WakeChannel> make_wake_channel() {
    int ends[2] = {-1, -1};
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        return refuse_errno(errno, "cannot make a pair of sockets");
    return WakeChannel{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

void quiet_wake_channel(int ours) noexcept {
    char message = 0;
    for (int i = 0; i < quiet_limit; ++i) {
        const ssize_t count = recv(ours, &message, 1, MSG_DONTWAIT);
        if (count == 0 || (count < 0 && errno != EINTR)) return;
    }
}

}  // namespace smmu::protocol
