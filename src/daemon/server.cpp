// SPDX-License-Identifier: Apache-2.0
#include "daemon/server.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "daemon/service.hpp"
#include "protocol/result.hpp"

namespace smmu::daemon {

namespace {

// Tables one step of an operation may fill before somebody else has a turn: about a millisecond of work.
constexpr std::uint64_t tables_per_step = 256;

// Replies that a client has not read: the longest one and some more (the kernel doubles it, for its own bookkeeping).
constexpr int most_unread_bytes = protocol::packet_limit;

Error failed(std::string_view what, const std::string& path) {
    const int code = errno;
    return Error{code, fmt::format("{} {}: {}", what, path, std::strerror(code))};
}

}  // namespace

struct Server::Seat {
    Seat(Server& owner, uid_t peer, UniqueFd process_fd, UniqueFd socket, Result<ClientId> client)
        : server(owner), user(peer), process(std::move(process_fd)),
          session(owner.service_, protocol::Connection(std::move(socket)), std::move(client),
                  owner.service_.clock().now()) {}

    Server& server;
    uid_t user;
    UniqueFd process;
    Session session;
    EventSource packets;
    EventSource process_end;
};

Result<std::unique_ptr<Server>> Server::listen(sd_event* loop, Service& service, const std::string& path) {
    std::unique_ptr<Server> server(new Server(loop, service, path));
    SMMU_CHECK(server->open());
    return server;
}

Server::Server(sd_event* loop, Service& service, std::string path)
    : loop_(loop), service_(service), path_(std::move(path)) {}

Server::~Server() {
    sessions_.clear();
    if (bound_) unlink(path_.c_str());
}

Result<void> Server::open() {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path_.size() >= sizeof address.sun_path)
        return fail(ENAMETOOLONG, fmt::format("socket {}: a path of a local socket has at most {} bytes", path_,
                                              sizeof address.sun_path - 1));
    std::memcpy(address.sun_path, path_.data(), path_.size());
    const auto* name = static_cast<const sockaddr*>(static_cast<const void*>(&address));

    listening_ = UniqueFd(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!listening_) return std::unexpected(failed("cannot make the socket", path_));
    SMMU_CHECK(clear_the_place(listening_, name, sizeof address));
    const mode_t mask = umask(0111);  // who may do what is decided by credentials, not by the file
    const int bound = bind(listening_.get(), name, sizeof address);
    umask(mask);
    if (bound != 0) return std::unexpected(failed("cannot bind the socket", path_));
    bound_ = true;
    if (::listen(listening_.get(), 128) != 0) return std::unexpected(failed("cannot listen at", path_));

    sd_event_source* source = nullptr;
    if (sd_event_add_io(loop_, &source, listening_.get(), EPOLLIN, on_accept, this) < 0)
        return fail(ENOMEM, "the event loop takes no more sources");
    accepting_.reset(source);
    turn_ = always_due(loop_, on_turn, this);
    if (!turn_) return fail(ENOMEM, "the event loop takes no more sources");
    return {};
}

// A socket file that nobody listens on is left from a service that was killed; anything else is not ours to remove.
Result<void> Server::clear_the_place(const UniqueFd& probe, const sockaddr* name, socklen_t size) const {
    struct stat found{};
    if (lstat(path_.c_str(), &found) != 0) return {};
    if (!S_ISSOCK(found.st_mode)) return fail(EEXIST, fmt::format("{} is in the way and no socket", path_));
    if (connect(probe.get(), name, size) == 0 || errno != ECONNREFUSED)
        return fail(EADDRINUSE, fmt::format("another service listens at {}; stop it or give `socket PATH`", path_));
    unlink(path_.c_str());
    return {};
}

void Server::accept_one() {
    UniqueFd socket(accept4(listening_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!socket || sessions_.size() >= most_sessions) return;
    if (setsockopt(socket.get(), SOL_SOCKET, SO_SNDBUF, &most_unread_bytes, sizeof most_unread_bytes) != 0) return;
    seat(std::move(socket));
}

// Nobody takes the seats of others, least of all those of the administrator who is to end it.
bool Server::has_room_for(uid_t user) const {
    if (user == 0) return true;
    const auto is_stranger = [&](const auto& seat) { return seat->user == user && !seat->session.is_client(); };
    return sessions_.size() < most_sessions - kept_for_root &&
           std::size_t(std::ranges::count_if(sessions_, is_stranger)) < most_strangers_of_a_user;
}

void Server::seat(UniqueFd socket) {
    const auto peer = protocol::peer_of(socket.get());
    if (!peer || !has_room_for(peer->uid)) return;
    auto process = protocol::process_of(socket.get(), *peer);
    if (!process) return;  // it has ended already
    Result<ClientId> client = service_.connect(socket.get(), *peer);
    Seat& seat = *sessions_.emplace_back(
        std::make_unique<Seat>(*this, peer->uid, std::move(*process), std::move(socket), std::move(client)));

    sd_event_source* packets = nullptr;
    sd_event_source* process_end = nullptr;
    const bool watched =
        sd_event_add_io(loop_, &packets, seat.session.fd(), EPOLLIN, on_packet, &seat) >= 0 &&
        sd_event_add_io(loop_, &process_end, seat.process.get(), EPOLLIN, on_process_end, &seat) >= 0;
    seat.packets.reset(packets);
    seat.process_end.reset(process_end);
    if (!watched) return end(seat);
    sd_event_source_set_priority(process_end, process_ended);
}

void Server::end(Seat& seat) {
    sessions_.remove_if([&](const auto& candidate) { return candidate.get() == &seat; });
}

// All at once: a process may have ended with a thousand connections, and the loop takes one event a turn.
void Server::end_the_dead() {
    std::vector<pollfd> processes;
    for (const auto& seat : sessions_) processes.push_back({seat->process.get(), POLLIN, 0});
    poll(processes.data(), processes.size(), 0);
    auto next = processes.cbegin();
    sessions_.remove_if([&](const auto&) { return (next++)->revents != 0; });
}

void Server::sweep() {
    const Instant now = service_.clock().now();
    sessions_.remove_if([&](const auto& seat) { return seat->session.overdue(now); });
}

void Server::go_on() {
    if (std::ranges::any_of(sessions_, [](const auto& seat) { return seat->session.working(); })) watch_operations();
}

bool Server::step(Session& session) {
    units::Budget budget{tables_per_step};
    return !session.working() || session.step(budget);
}

void Server::watch_operations() { sd_event_source_set_enabled(turn_.get(), SD_EVENT_ON); }

int Server::on_accept(sd_event_source*, int, std::uint32_t, void* server) {
    static_cast<Server*>(server)->accept_one();
    return 0;
}

int Server::on_packet(sd_event_source* source, int, std::uint32_t events, void* data) {
    Seat& seat = *static_cast<Seat*>(data);
    // A packet that came before the hang-up is not carried out any more: nobody waits for its reply.
    // The first step is taken at once: most requests are done with it, and need no further turn of the loop.
    if ((events & (EPOLLHUP | EPOLLERR)) != 0 || !seat.session.receive() || !step(seat.session)) {
        seat.server.end(seat);
        return 0;
    }
    if (seat.session.working()) {
        sd_event_source_set_io_events(source, 0);  // a hang-up is still told
        seat.server.watch_operations();
    }
    return 0;
}

int Server::on_process_end(sd_event_source*, int, std::uint32_t, void* seat) {
    static_cast<Seat*>(seat)->server.end_the_dead();
    return 0;
}

// One step of one session: what is more urgent comes before the next one's.
int Server::on_turn(sd_event_source* source, int, std::uint32_t, void* data) {
    Server& server = *static_cast<Server*>(data);
    const auto is_working = [](const auto& seat) { return seat->session.working(); };
    if (const auto next = std::ranges::find_if(server.sessions_, is_working); next != server.sessions_.end()) {
        Seat& seat = **next;
        server.sessions_.splice(server.sessions_.end(), server.sessions_, next);
        if (!step(seat.session))
            server.end(seat);
        else if (!seat.session.working())
            sd_event_source_set_io_events(seat.packets.get(), EPOLLIN);
    }
    // Asking again at once would only burn time while a device resets.
    const bool working = std::ranges::any_of(server.sessions_, is_working);
    if (!working || server.service_.waits_for_devices()) sd_event_source_set_enabled(source, SD_EVENT_OFF);
    return 0;
}

}  // namespace smmu::daemon
