// SPDX-License-Identifier: Apache-2.0
#include "board/server.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace smmu::board {
namespace {

using link::Kind;

// What an epoll event is about: a connection's number, or one of these.
constexpr std::uint64_t listener_key = std::uint64_t{1} << 32;
constexpr std::uint64_t ending_key = std::uint64_t{2} << 32;  // plus its index

constexpr int events_at_once = 16;
constexpr Nanoseconds no_wait{0};

}  // namespace

Server::Server(UniqueFd listener, Machine& machine, Nanoseconds longest_stop)
    : listener_(std::move(listener)),
      epoll_(epoll_create1(EPOLL_CLOEXEC)),
      machine_(machine),
      longest_stop_(longest_stop) {}

Result<void> Server::watch(int descriptor, std::uint32_t events, std::uint64_t key) {
    epoll_event event{};
    event.events = events;
    event.data.u64 = key;
    if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, descriptor, &event) != 0)
        return fail(errno, fmt::format("descriptor {} cannot be watched: {}", descriptor,
                                       std::strerror(errno)));
    return {};
}

Result<std::string> Server::run(std::span<const Ending> endings) {
    SMMU_CHECK(watch(listener_.get(), EPOLLIN, listener_key));
    for (std::size_t i = 0; i < endings.size(); ++i)
        SMMU_CHECK(watch(endings[i].descriptor, endings[i].events, ending_key + i));
    while (!end_) {
        std::array<epoll_event, events_at_once> events;
        const int count =
            epoll_wait(epoll_.get(), events.data(), events_at_once, milliseconds_to_wait());
        if (count < 0 && errno != EINTR)
            return fail(errno, fmt::format("waiting for clients: {}", std::strerror(errno)));
        for (int i = 0; i < count && !end_; ++i) {
            const epoll_event& event = events[static_cast<std::size_t>(i)];
            SMMU_CHECK(handle(event.data.u64, event.events, endings));
        }
        if (suspension_ && std::chrono::steady_clock::now() >= suspension_->deadline)
            close(connections_.at(tap_->connection));
        std::erase_if(connections_, [](const auto& entry) { return entry.second.is_closed; });
    }
    return *std::move(end_);
}

int Server::milliseconds_to_wait() const {
    if (!suspension_) return -1;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(
        suspension_->deadline - std::chrono::steady_clock::now());
    return static_cast<int>(std::max<std::int64_t>(left.count(), 0));
}

Result<void> Server::handle(std::uint64_t key, std::uint32_t events,
                            std::span<const Ending> endings) {
    if (key == listener_key) {
        accept_connection();
        return {};
    }
    if (key >= ending_key) {
        const Ending& ending = endings[key - ending_key];
        if (ending.is_failure) return fail(EIO, ending.reason);
        end_ = ending.reason;
        return {};
    }
    const auto found = connections_.find(static_cast<ConnectionId>(key));
    if (found == connections_.end() || found->second.is_closed) return {};
    Connection& connection = found->second;
    // A packet that came before the end counts, but not behind one that is still held up.
    if ((events & EPOLLIN) != 0 && !connection.execution)
        serve(connection);
    else if ((events & (EPOLLHUP | EPOLLRDHUP | EPOLLERR)) != 0)
        close(connection);
    return {};
}

void Server::accept_connection() {
    UniqueFd accepted(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!accepted) return;
    link::PacketSocket socket(std::move(accepted));
    const ConnectionId id = ++last_connection_;
    if (connections_.size() == max_connections ||
        !watch(socket.descriptor(), EPOLLIN | EPOLLRDHUP, id)) {
        (void)socket.send(link::encode_answer(Kind::hello, EMFILE), no_wait);
        return;
    }
    connections_.emplace(id, Connection{id, std::move(socket), std::nullopt});
}

void Server::listen_to(Connection& connection, bool wanted) {
    epoll_event event{};
    event.events = EPOLLRDHUP | (wanted ? std::uint32_t{EPOLLIN} : 0);
    event.data.u64 = connection.id;
    epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, connection.socket.descriptor(), &event);
}

// The entry itself goes at the end of the round: callers up the stack still look at it.
void Server::close(Connection& connection) {
    if (connection.is_closed) return;
    connection.is_closed = true;
    connection.execution.reset();
    connection.socket = link::PacketSocket(UniqueFd());
    if (claimed_by_ == connection.id) claimed_by_.reset();
    if (tap_ && tap_->connection == connection.id) {
        tap_.reset();
        if (suspension_) end_suspension(link::Fate::go_on);
    }
}

void Server::serve(Connection& connection) {
    auto received = connection.socket.receive(no_wait);
    if (!received) {
        if (received.error().code == EMSGSIZE)
            answer(connection, link::encode_answer(Kind::hello, EMSGSIZE));
        if (received.error().code != ETIMEDOUT) close(connection);
        return;
    }
    auto request = link::decode_request(received->packet);
    if (!request) {
        const auto header = link::decode_header(received->packet);
        answer(connection,
               link::encode_answer(header ? static_cast<Kind>(header->kind) : Kind::hello,
                                   request.error().code));
        close(connection);
        return;
    }
    serve(connection, *std::move(request));
}

void Server::serve(Connection& connection, link::Request request) {
    switch (request.kind) {
        case Kind::hello:
            answer(connection, link::encode_machine(machine_.description()));
            break;
        case Kind::operate:
            connection.execution = Execution{std::move(request.operations), 0, {}};
            if (suspension_ && tap_->connection != connection.id)
                listen_to(connection, false);
            else
                advance(connection);
            break;
        case Kind::ram:
            answer(connection, link::encode_answer(Kind::ram), machine_.ram());
            break;
        case Kind::tables:
            pass_tables(connection);
            break;
        case Kind::claim:
            claim(connection);
            break;
        case Kind::shut_down:
            answer(connection, link::encode_answer(Kind::shut_down));
            end_ = fmt::format("process {} asked for the end", connection.socket.peer());
            break;
        case Kind::tap:
            install_tap(connection, request.range);
            break;
        case Kind::resume:
            resume(connection, request.sequence, request.fate);
            break;
        case Kind::stop:
            close(connection);
            break;
    }
}

// A client that does not take its answer is not waited for.
void Server::answer(Connection& connection, const link::Packet& packet, int pass) {
    if (connection.is_closed) return;
    if (!connection.socket.send(packet, no_wait, pass)) close(connection);
}

void Server::pass_tables(Connection& connection) {
    const link::Packet bytes = link::encode_tables(machine_.firmware_tables());
    const UniqueFd file(memfd_create("smmu-board-tables", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    constexpr int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL;
    if (!file ||
        write(file.get(), bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size()) ||
        fcntl(file.get(), F_ADD_SEALS, seals) != 0)
        answer(connection, link::encode_answer(Kind::tables, ENOMEM));
    else
        answer(connection, link::encode_answer(Kind::tables), file.get());
}

// What a holder held is free once its process has closed it, though its end may not have been seen
// yet: a service that was killed must not be in the way of the next.
void Server::close_if_hung_up(std::optional<ConnectionId> holder) {
    if (!holder) return;
    Connection& connection = connections_.at(*holder);
    if (connection.socket.hung_up()) close(connection);
}

void Server::claim(Connection& connection) {
    close_if_hung_up(claimed_by_);
    if (claimed_by_.value_or(connection.id) != connection.id) {
        const std::uint32_t holder = connections_.at(*claimed_by_).socket.peer();
        answer(connection, link::encode_answer(Kind::claim, EBUSY, holder));
        return;
    }
    claimed_by_ = connection.id;
    answer(connection, link::encode_answer(Kind::claim));
}

void Server::install_tap(Connection& connection, PhysRange range) {
    if (tap_) close_if_hung_up(tap_->connection);
    if (tap_ && tap_->connection != connection.id) {
        const std::uint32_t holder = connections_.at(tap_->connection).socket.peer();
        answer(connection, link::encode_answer(Kind::tap, EBUSY, holder));
        return;
    }
    tap_ = Tap{connection.id, range, tap_ ? tap_->stops : 0};
    answer(connection, link::encode_answer(Kind::tap));
}

void Server::resume(Connection& connection, std::uint64_t sequence, link::Fate fate) {
    const bool is_due = suspension_ && tap_->connection == connection.id && tap_->stops == sequence;
    answer(connection, link::encode_answer(Kind::resume, is_due ? 0 : ESTALE));
    if (is_due && suspension_) end_suspension(fate);
}

std::size_t Server::next_stop(const Connection& connection, bool& stops) const {
    const Execution& execution = *connection.execution;
    stops = false;
    if (!tap_ || tap_->connection == connection.id) return execution.operations.size();
    for (std::size_t i = execution.done; i < execution.operations.size(); ++i) {
        const link::Operation& operation = execution.operations[i];
        if (operation.kind != link::OperationKind::write) continue;
        const auto written = PhysRange::from_length({operation.address}, operation.bytes);
        if (!written || !written->overlaps(tap_->range)) continue;
        stops = true;
        return i + 1;
    }
    return execution.operations.size();
}

void Server::advance(Connection& connection) {
    Execution& execution = *connection.execution;
    while (execution.done < execution.operations.size()) {
        bool stops = false;
        const std::size_t end = next_stop(connection, stops);
        const auto part =
            std::span(execution.operations).subspan(execution.done, end - execution.done);
        std::vector<std::uint64_t> values(static_cast<std::size_t>(std::count_if(
            part.begin(), part.end(), [](const link::Operation& o) { return o.reads(); })));
        if (auto performed = machine_.perform(part, values); !performed) {
            end_ = pass_on(std::move(performed));
            return;
        }
        execution.values.insert(execution.values.end(), values.begin(), values.end());
        execution.done = end;
        if (stops && tell_tap(connection, part.back())) {
            suspension_ =
                Suspension{connection.id, std::chrono::steady_clock::now() + longest_stop_};
            listen_to(connection, false);
            return;
        }
    }
    const link::Packet packet = link::encode_values(execution.values);
    connection.execution.reset();
    listen_to(connection, true);
    answer(connection, packet);
}

bool Server::tell_tap(const Connection& writer, const link::Operation& write) {
    link::Stop stop;
    stop.address = {write.address};
    stop.value = write.value;
    stop.sequence = ++tap_->stops;
    stop.bytes = write.bytes;
    stop.writer = writer.socket.peer();
    Connection& tap = connections_.at(tap_->connection);
    if (tap.socket.send(link::encode_stop(stop), no_wait)) return true;
    close(tap);
    return false;
}

// The writer first, then whoever was held up meanwhile, until one of them makes the next stop. One
// that has died since carries out nothing more.
void Server::end_suspension(link::Fate fate) {
    const ConnectionId writer = suspension_->writer;
    suspension_.reset();
    const auto go_on = [this](Connection& connection) {
        if (connection.is_closed || !connection.execution || suspension_ || end_) return;
        if (connection.socket.hung_up())
            close(connection);
        else
            advance(connection);
    };
    if (const auto found = connections_.find(writer); found != connections_.end()) {
        if (fate == link::Fate::cut_off) close(found->second);
        go_on(found->second);
    }
    for (auto& [id, connection] : connections_) go_on(connection);
}

}  // namespace smmu::board
