// SPDX-License-Identifier: Apache-2.0
// PacketSocket: one end of a board protocol connection: whole packets, a descriptor now and then,
// and never a wait without an end.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "link/codec.hpp"

namespace smmu::link {

class PacketSocket {
public:
    struct Received {
        Packet packet;
        UniqueFd descriptor;  // passed along with it, if any
    };

    explicit PacketSocket(UniqueFd socket) : socket_(std::move(socket)) {}
    // ENOENT, ECONNREFUSED: nobody listens at `path`.
    static Result<PacketSocket> connect(const std::string& path, Nanoseconds patience);
    // A socket listening at `path`. A stale one that nobody listens at any more is replaced;
    // EADDRINUSE when somebody does.
    static Result<UniqueFd> listen(const std::string& path, int backlog);

    int descriptor() const { return socket_.get(); }
    bool hung_up() const noexcept;        // the other end is closed
    std::uint32_t peer() const noexcept;  // pid of the process that connected; 0 when unknown

    // ETIMEDOUT when the other end did not take it within `patience`.
    Result<void> send(std::span<const std::byte> packet, Nanoseconds patience,
                      int pass = -1) noexcept;
    // ETIMEDOUT when nothing came, ECONNRESET when the other end is closed, EMSGSIZE for a packet
    // longer than any of the protocol.
    Result<Received> receive(Nanoseconds patience) noexcept;

private:
    UniqueFd socket_;
};

// Where the board of that name listens: NAME.sock in the directory that SMMU_BOARD_DIR names, or in
// /run/smmuman/boards. A name with a slash is the path itself.
std::string socket_path(std::string_view name);

}  // namespace smmu::link
