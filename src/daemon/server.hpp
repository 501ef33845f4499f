// SPDX-License-Identifier: Apache-2.0
// Server: the listening socket and the sessions behind it. A session ends with its connection or with its process,
// whichever the kernel tells first: memory of a dead process is free long before its socket says so.
#pragma once

#include <sys/socket.h>

#include <list>
#include <memory>
#include <string>

#include "base/result.hpp"
#include "daemon/event_source.hpp"
#include "daemon/session.hpp"

namespace smmu::daemon {

class Server {
public:
    // Sessions of peers that may not connect, or have not said hello, count here too.
    static constexpr std::size_t most_sessions = 4096;
    static constexpr std::size_t kept_for_root = 64;
    static constexpr std::size_t most_strangers_of_a_user = 128;  // sessions that are no client's, or not yet

    // Listens at `path`. EADDRINUSE: another service answers there.
    static Result<std::unique_ptr<Server>> listen(sd_event* loop, Service& service, const std::string& path);
    ~Server();  // ends every session and removes the socket

    // Goes on with operations that wait for devices to come out of their reset: at the pace of the caller's timer.
    void go_on();
    // Ends sessions that never became one. To be called every second or so.
    void sweep();
    std::size_t sessions() const { return sessions_.size(); }

private:
    struct Seat;  // a session with its event sources
    Server(sd_event* loop, Service& service, std::string path);

    Result<void> open();
    Result<void> clear_the_place(const UniqueFd& probe, const sockaddr* name, socklen_t size) const;
    void accept_one();
    void seat(UniqueFd socket);
    bool has_room_for(uid_t user) const;
    void end(Seat& seat);
    void end_the_dead();
    void watch_operations();

    // One step of an operation that is under way. False: end the session.
    static bool step(Session& session);

    static int on_accept(sd_event_source*, int fd, std::uint32_t events, void* server);
    static int on_packet(sd_event_source*, int fd, std::uint32_t events, void* seat);
    static int on_process_end(sd_event_source*, int fd, std::uint32_t events, void* seat);
    static int on_turn(sd_event_source*, int fd, std::uint32_t events, void* server);

    sd_event* loop_;
    Service& service_;
    std::string path_;
    UniqueFd listening_;
    bool bound_ = false;
    EventSource accepting_;
    EventSource turn_;  // enabled while some session is working
    std::list<std::unique_ptr<Seat>> sessions_;
};

}  // namespace smmu::daemon
