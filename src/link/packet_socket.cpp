// SPDX-License-Identifier: Apache-2.0
#include "link/packet_socket.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace smmu::link {
namespace {

constexpr std::size_t max_passed_descriptors =
    4;  // more than any packet carries; surplus is closed

std::unexpected<Error> system_error(std::string_view what) {
    const int code = errno;
    return fail(code, fmt::format("{}: {}", what, std::strerror(code)));
}

Result<sockaddr_un> address_of(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.empty() || path.size() >= sizeof(address.sun_path))
        return fail(ENAMETOOLONG,
                    fmt::format("'{}' cannot name a socket: 1 to {} bytes are allowed", path,
                                sizeof(address.sun_path) - 1));
    std::memcpy(address.sun_path, path.data(), path.size());
    return address;
}

const sockaddr* generic(const sockaddr_un& address) {
    return reinterpret_cast<const sockaddr*>(&address);
}

// Waits until `events` are there. False: the deadline passed.
Result<bool> wait_for(int fd, short events, Instant deadline) {
    for (;;) {
        const auto left = std::max(deadline - std::chrono::steady_clock::now(), Nanoseconds{0});
        const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(left);
        const timespec timeout{seconds.count(), (left - seconds).count()};
        pollfd waited{fd, events, 0};
        const int ready = ppoll(&waited, 1, &timeout, nullptr);
        if (ready > 0) return true;
        if (ready == 0) return false;
        if (errno != EINTR) return system_error("waiting for the board's socket");
    }
}

// Takes the descriptors that came with a message: the first is kept, others are closed.
UniqueFd take_descriptor(msghdr& message) {
    UniqueFd kept;
    for (cmsghdr* control = CMSG_FIRSTHDR(&message); control != nullptr;
         control = CMSG_NXTHDR(&message, control)) {
        if (control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_RIGHTS) continue;
        const std::size_t count = (control->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (std::size_t i = 0; i < count; ++i) {
            int fd = -1;
            std::memcpy(&fd, CMSG_DATA(control) + i * sizeof(int), sizeof(int));
            UniqueFd received(fd);
            if (!kept) kept = std::move(received);
        }
    }
    return kept;
}

}  // namespace

Result<PacketSocket> PacketSocket::connect(const std::string& path, Nanoseconds patience) {
    SMMU_TRY(const sockaddr_un address, address_of(path));
    UniqueFd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    if (!socket) return system_error("creating a socket");
    // A unix socket's connect waits for room in the listener's queue as long as the send timeout
    // says.
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(patience);
    const timeval timeout{seconds.count(), (patience - seconds).count() / 1000 + 1};
    if (setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) != 0 ||
        ::connect(socket.get(), generic(address), sizeof(address)) != 0)
        return system_error(fmt::format("connecting to the board at {}", path));
    return PacketSocket(std::move(socket));
}

Result<UniqueFd> PacketSocket::listen(const std::string& path, int backlog) {
    SMMU_TRY(const sockaddr_un address, address_of(path));
    if (auto other = connect(path, std::chrono::seconds(1)); other)
        return fail(EADDRINUSE,
                    fmt::format("a board is running at {} already; stop it first", path));
    else if (other.error().code == ECONNREFUSED)
        ::unlink(path.c_str());
    UniqueFd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket || ::bind(socket.get(), generic(address), sizeof(address)) != 0 ||
        ::listen(socket.get(), backlog) != 0)
        return system_error(fmt::format("listening at {}", path));
    return socket;
}

bool PacketSocket::hung_up() const noexcept {
    pollfd polled{socket_.get(), POLLRDHUP, 0};
    return poll(&polled, 1, 0) > 0;
}

std::uint32_t PacketSocket::peer() const noexcept {
    ucred credentials{};
    socklen_t length = sizeof(credentials);
    if (getsockopt(socket_.get(), SOL_SOCKET, SO_PEERCRED, &credentials, &length) != 0) return 0;
    return static_cast<std::uint32_t>(credentials.pid);
}

Result<void> PacketSocket::send(std::span<const std::byte> packet, Nanoseconds patience,
                                int pass) noexcept {
    iovec bytes{const_cast<std::byte*>(packet.data()), packet.size()};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    msghdr message{};
    message.msg_iov = &bytes;
    message.msg_iovlen = 1;
    if (pass >= 0) {
        message.msg_control = control;
        message.msg_controllen = sizeof(control);
        cmsghdr* header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int));
        std::memcpy(CMSG_DATA(header), &pass, sizeof(int));
    }
    const Instant deadline = std::chrono::steady_clock::now() + patience;
    for (;;) {
        const ssize_t sent = sendmsg(socket_.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent >= 0) return {};
        if (errno == EINTR) continue;
        if (errno != EAGAIN) return system_error("sending on a board connection");
        SMMU_TRY(const bool ready, wait_for(socket_.get(), POLLOUT, deadline));
        if (!ready)
            return fail(ETIMEDOUT, "the other end of a board connection does not take a packet");
    }
}

Result<PacketSocket::Received> PacketSocket::receive(Nanoseconds patience) noexcept {
    const Instant deadline = std::chrono::steady_clock::now() + patience;
    Packet buffer(max_packet_bytes);
    bool was_reset = false;
    for (;;) {
        iovec bytes{buffer.data(), buffer.size()};
        alignas(cmsghdr) char control[CMSG_SPACE(max_passed_descriptors * sizeof(int))] = {};
        msghdr message{};
        message.msg_iov = &bytes;
        message.msg_iovlen = 1;
        message.msg_control = control;
        message.msg_controllen = sizeof(control);
        const ssize_t got = recvmsg(socket_.get(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0 && errno == EAGAIN) {
            SMMU_TRY(const bool ready, wait_for(socket_.get(), POLLIN, deadline));
            if (!ready) return fail(ETIMEDOUT, "nothing came on a board connection");
            continue;
        }
        // Said once when the other end closed with something of ours unread; its last words may
        // still be here.
        if (got < 0 && errno == ECONNRESET && !std::exchange(was_reset, true)) continue;
        if (got < 0) return system_error("receiving on a board connection");
        UniqueFd descriptor = take_descriptor(message);
        if (got == 0) return fail(ECONNRESET, "the other end of a board connection is closed");
        if ((message.msg_flags & MSG_TRUNC) != 0)
            return fail(EMSGSIZE, fmt::format("a packet of more than {} bytes", max_packet_bytes));
        buffer.resize(static_cast<std::size_t>(got));
        return Received{std::move(buffer), std::move(descriptor)};
    }
}

std::string socket_path(std::string_view name) {
    if (name.find('/') != std::string_view::npos) return std::string(name);
    const char* directory = std::getenv("SMMU_BOARD_DIR");
    return fmt::format("{}/{}.sock", directory != nullptr ? directory : "/run/smmuman/boards",
                       name);
}

}  // namespace smmu::link
