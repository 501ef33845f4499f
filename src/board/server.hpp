// SPDX-License-Identifier: Apache-2.0
// Server: one machine behind the board protocol, for many clients. One thread; it sleeps until
// somebody wants something, and wakes by itself only to end a stop that a tap left standing.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "board/machine.hpp"
#include "link/packet_socket.hpp"

namespace smmu::board {

class Server {
public:
    static constexpr std::size_t max_connections = 64;

    // What ends the board when `events` (EPOLLIN, EPOLLHUP, ...) appear on the descriptor.
    struct Ending {
        int descriptor;
        std::uint32_t events;
        std::string reason;
        bool is_failure;
    };

    // `longest_stop`: how long a tap may let the board wait.
    Server(UniqueFd listener, Machine& machine, Nanoseconds longest_stop = link::max_stop);

    // Serves until one of `endings` comes or a client asks for the end, and says which; an error
    // when the machine is gone.
    Result<std::string> run(std::span<const Ending> endings);

private:
    using ConnectionId = std::uint32_t;

    // A packet of operations on its way; `done` of them are carried out.
    struct Execution {
        std::vector<link::Operation> operations;
        std::size_t done = 0;
        std::vector<std::uint64_t> values;
    };
    struct Connection {
        ConnectionId id;
        link::PacketSocket socket;
        std::optional<Execution> execution;
        bool is_closed = false;
    };
    struct Tap {
        ConnectionId connection;
        PhysRange range;
        std::uint64_t stops = 0;
    };
    // Since a write that the tap was told of: only the tap's operations are carried out.
    struct Suspension {
        ConnectionId writer;
        Instant deadline;
    };

    Result<void> watch(int descriptor, std::uint32_t events, std::uint64_t key);
    Result<void> handle(std::uint64_t key, std::uint32_t events, std::span<const Ending> endings);
    void accept_connection();
    void listen_to(Connection& connection, bool wanted);
    void close(Connection& connection);
    int milliseconds_to_wait() const;

    void serve(Connection& connection);
    void serve(Connection& connection, link::Request request);
    void answer(Connection& connection, const link::Packet& packet, int pass = -1);
    void pass_tables(Connection& connection);
    void close_if_hung_up(std::optional<ConnectionId> holder);
    void claim(Connection& connection);
    void install_tap(Connection& connection, PhysRange range);
    void resume(Connection& connection, std::uint64_t sequence, link::Fate fate);

    // Carries out what is left of the connection's packet, up to the end or the next stop.
    void advance(Connection& connection);
    // The index after the next write that the tap is to hear of, or the number of operations.
    std::size_t next_stop(const Connection& connection, bool& stops) const;
    bool tell_tap(const Connection& writer, const link::Operation& write);
    void end_suspension(link::Fate fate);

    UniqueFd listener_;
    UniqueFd epoll_;
    Machine& machine_;
    Nanoseconds longest_stop_;
    std::map<ConnectionId, Connection> connections_;
    ConnectionId last_connection_ = 0;
    std::optional<ConnectionId> claimed_by_;
    std::optional<Tap> tap_;
    std::optional<Suspension> suspension_;
    std::optional<Result<std::string>> end_;
};

}  // namespace smmu::board
