// SPDX-License-Identifier: Apache-2.0
#include "protocol/connection.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/assert.hpp"

namespace smmu::protocol {

void Descriptors::clear() {
    for (; count_ > 0; --count_) held_[count_ - 1].reset();
}

bool Descriptors::add(UniqueFd descriptor) {
    if (count_ == held_.size()) return false;
    held_[count_++] = std::move(descriptor);
    return true;
}

namespace {

// Room for one more than is taken, so that surplus is seen and closed here.
constexpr std::size_t control_size = CMSG_SPACE(sizeof(int) * (descriptors_per_packet + 1));

Checked<sockaddr_un> socket_address(const char* path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::size_t length = std::strlen(path);
    if (length == 0 || length >= sizeof(address.sun_path))
        return refuse(ENOENT, "the path of the service's socket is empty or too long");
    std::memcpy(address.sun_path, path, length);
    return address;
}

// An answer that comes within this time is waited for by the call that receives it. For a later one poll() waits, which
// knows the deadline better than the coarse time-out of a socket.
constexpr std::chrono::milliseconds receive_wait{1000};

bool limit(int socket, int option, std::chrono::milliseconds wait) {
    const timeval time{wait.count() / 1000, (wait.count() % 1000) * 1000};
    return setsockopt(socket, SOL_SOCKET, option, &time, sizeof(time)) == 0;
}

std::unexpected<Failure> connect_failure(int code, const char* path) {
    Failure failure{code, Sentence(path)};
    switch (code) {
        case ENOENT:
        case ENOTDIR:
        case ECONNREFUSED:
            failure.code = ENOENT;
            failure.text.append(": the service does not run; start smmuman");
            break;
        case EACCES:
        case EPERM:
            failure.code = EPERM;
            failure.text.append(": this user may not open the service's socket");
            break;
        case EAGAIN:
            failure.code = ETIMEDOUT;
            failure.text.append(": the service does not accept connections in time");
            break;
        default:
            return refuse_errno(code, failure.text.view());
    }
    return std::unexpected<Failure>(failure);
}

// Takes every descriptor out of the control bytes. False when there were too many.
bool take_descriptors(msghdr& message, Descriptors& descriptors) {
    bool fitted = (message.msg_flags & MSG_CTRUNC) == 0;
    for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr;
         part = CMSG_NXTHDR(&message, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
        const std::size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (std::size_t i = 0; i < count; ++i) {
            int fd = -1;
            std::memcpy(&fd, CMSG_DATA(part) + i * sizeof(int), sizeof(int));
            fitted = descriptors.add(UniqueFd(fd)) && fitted;
        }
    }
    return fitted;
}

}  // namespace

Checked<Connection> Connection::open(const char* path, const Deadline& deadline) {
    const Checked<sockaddr_un> address = socket_address(path);
    if (!address) return std::unexpected<Failure>(address.error());
    UniqueFd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    if (!socket) return refuse_errno(errno, "cannot make a socket");
    // connect() waits at most for the send time-out while the service's queue of connections is full.
    limit(socket.get(), SO_SNDTIMEO, std::chrono::milliseconds(std::max(deadline.milliseconds_left(), 1)));
    const auto* generic = reinterpret_cast<const sockaddr*>(&*address);
    while (connect(socket.get(), generic, sizeof(*address)) != 0) {
        if (errno == EINTR && deadline.milliseconds_left() > 0) continue;
        return connect_failure(errno == EINTR ? EAGAIN : errno, path);
    }
    Connection connection(std::move(socket));
    connection.receives_wait_ = limit(connection.fd(), SO_RCVTIMEO, receive_wait);
    return connection;
}

namespace {

// One packet, without waiting.
ssize_t send_now(int socket, Bytes packet, std::span<const int> descriptors) {
    if (descriptors.empty())
        return ::send(socket, packet.data(), packet.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    iovec part{const_cast<std::byte*>(packet.data()), packet.size()};
    alignas(cmsghdr) std::array<std::byte, control_size> control{};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = CMSG_SPACE(descriptors.size_bytes());
    cmsghdr* head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(descriptors.size_bytes());
    std::memcpy(CMSG_DATA(head), descriptors.data(), descriptors.size_bytes());
    return sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

}  // namespace

Checked<> Connection::send(Bytes packet, std::span<const int> descriptors,
                           const Deadline& deadline) const {
    SMMU_ASSERT(packet.size() <= packet_limit && descriptors.size() <= descriptors_per_packet);
    while (send_now(fd(), packet, descriptors) < 0) {
        const int code = errno;
        if (code == EINTR) continue;
        if (code == EPIPE || code == ECONNRESET || code == ENOTCONN)
            return refuse(ENOTCONN, "the other side has closed the connection");
        if (code != EAGAIN) return refuse_errno(code, "cannot send a packet");
        if (!wait_for(fd(), POLLOUT, deadline))
            return refuse(EAGAIN, "the other side does not take packets in time");
    }
    return {};
}

template <class Take>
Checked<std::size_t> Connection::wait_and_take(const Deadline& deadline, Take take) const {
    // Twice the time: the kernel rounds its own up.
    const bool may_wait = receives_wait_ && deadline.milliseconds_left() > 2 * receive_wait.count();
    int waiting = may_wait ? 0 : MSG_DONTWAIT;
    while (true) {
        const ssize_t count = take(waiting);
        waiting = MSG_DONTWAIT;
        if (count > 0) return std::size_t(count);
        if (count == 0) return refuse(ENOTCONN, "the other side has closed the connection");
        if (errno == EINTR) continue;
        if (errno != EAGAIN) return refuse(ENOTCONN, "the connection is broken");
        if (!wait_for(fd(), POLLIN, deadline)) return refuse(EAGAIN, "no packet came in time");
    }
}

Checked<Bytes> Connection::receive(std::span<std::byte> buffer, Descriptors& descriptors,
                                   const Deadline& deadline) const {
    SMMU_ASSERT(buffer.size() >= packet_limit);
    descriptors.clear();
    bool fitted = true;
    const auto count = wait_and_take(deadline, [&](int flags) {
        iovec part{buffer.data(), packet_limit};
        alignas(cmsghdr) std::array<std::byte, control_size> control{};
        msghdr message{};
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        message.msg_control = control.data();
        message.msg_controllen = control.size();
        const ssize_t taken = recvmsg(fd(), &message, flags | MSG_CMSG_CLOEXEC);
        if (taken >= 0) fitted = take_descriptors(message, descriptors) && (message.msg_flags & MSG_TRUNC) == 0;
        return taken;
    });
    if (!count) return std::unexpected(count.error());
    if (!fitted) {
        descriptors.clear();
        return refuse(EPROTO, "packet is longer, or has more descriptors, than any command");
    }
    return Bytes(buffer.data(), *count);
}

Checked<Bytes> Connection::receive_bytes(std::span<std::byte> buffer, const Deadline& deadline) const {
    SMMU_ASSERT(buffer.size() >= packet_limit);
    const auto count = wait_and_take(
        deadline, [&](int flags) { return recv(fd(), buffer.data(), packet_limit, flags | MSG_TRUNC); });
    if (!count) return std::unexpected(count.error());
    if (*count > packet_limit) return refuse(EPROTO, "packet is longer than any command");
    return Bytes(buffer.data(), *count);
}

bool Connection::peer_gone() const {
    pollfd waited{fd(), POLLRDHUP, 0};
    return poll(&waited, 1, 0) != 0 &&
           (waited.revents & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL)) != 0;
}

}  // namespace smmu::protocol
