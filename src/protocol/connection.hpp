// SPDX-License-Identifier: Apache-2.0
// Connection: one end of the SOCK_SEQPACKET socket between library and service. Sends and receives
// whole packets with descriptors; every wait has a deadline; received descriptors are close-on-exec
// and owned.
#pragma once

#include <array>
#include <span>

#include "base/unique_fd.hpp"
#include "protocol/codec.hpp"
#include "protocol/deadline.hpp"

namespace smmu::protocol {

// The descriptors that came with a packet, in order. Those nobody takes are closed.
class Descriptors {
public:
    std::size_t size() const { return count_; }
    int get(std::size_t index) const { return index < count_ ? held_[index].get() : -1; }
    UniqueFd take(std::size_t index) {
        return index < count_ ? std::move(held_[index]) : UniqueFd();
    }
    void clear();
    // False, and closes it, when there is no room.
    bool add(UniqueFd descriptor);

private:
    std::array<UniqueFd, descriptors_per_packet> held_;
    std::size_t count_ = 0;
};

class Connection {
public:
    constexpr Connection() = default;
    explicit Connection(UniqueFd socket) : socket_(std::move(socket)) {}

    // Connects to a service. ENOENT when none listens there.
    static Checked<Connection> open(const char* path, const Deadline& deadline);

    int fd() const { return socket_.get(); }
    explicit operator bool() const { return bool(socket_); }
    void close() { socket_.reset(); }

    // One packet. EAGAIN when the other side does not take it in time, ENOTCONN when it is gone;
    // any other failure (EBADF: not an open descriptor) leaves the connection as it was.
    Checked<> send(Bytes packet, std::span<const int> descriptors, const Deadline& deadline) const;
    // One packet into `buffer` (packet_limit bytes); its bytes. EAGAIN when none came in time,
    // ENOTCONN when the other side is gone, EPROTO when the packet or its descriptors exceed the
    // limits: end the connection.
    Checked<Bytes> receive(std::span<std::byte> buffer, Descriptors& descriptors,
                           const Deadline& deadline) const;
    // The same where no descriptor is wanted: none is taken up. Of a peer that may not hand any over, closing one of a file
    // system of its making could take as long as it likes.
    Checked<Bytes> receive_bytes(std::span<std::byte> buffer, const Deadline& deadline) const;
    // The other side has closed its end or is gone. Does not wait.
    bool peer_gone() const;

private:
    // What take(flags of a receive) returns when a packet has come.
    template <class Take>
    Checked<std::size_t> wait_and_take(const Deadline& deadline, Take take) const;

    UniqueFd socket_;
    bool receives_wait_ = false;  // the kernel ends a receive that waits, after receive_wait
};

}  // namespace smmu::protocol
