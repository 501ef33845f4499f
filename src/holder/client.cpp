// SPDX-License-Identifier: Apache-2.0
#include "holder/client.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cstring>

#include "protocol/peer.hpp"

namespace smmu::holder {

namespace {

Result<void> outcome(const Message& reply, std::string_view what, std::string_view name) {
    if (reply.word == 0) return {};
    const int code = int(reply.word);
    return fail(code, fmt::format("smmuman-holder cannot {} {}: {}", what, name, std::strerror(code)));
}

}  // namespace

Result<protocol::Connection> Client::connect(const protocol::Deadline& deadline) const {
    auto connection = protocol::Connection::open(socket_.c_str(), deadline);
    if (!connection)
        return fail(connection.error().code,
                    fmt::format("smmuman-holder does not answer at {}; start it, and before the service", socket_));
    const auto peer = protocol::peer_of(connection->fd());
    if (!peer || (peer->uid != 0 && peer->uid != geteuid()))
        return fail(EPERM, fmt::format("{}: whoever listens there is not root; end it and start smmuman-holder", socket_));
    return std::move(*connection);
}

Result<Message> Client::ask(Verb verb, std::string_view name, const Deposit& deposit) const {
    const auto deadline = protocol::Deadline::after(patience_);
    SMMU_TRY(const protocol::Connection connection, connect(deadline));
    SMMU_CHECK(send(connection, std::uint32_t(verb), name, deposit, deadline));
    return receive(connection, deadline);
}

Result<protocol::Connection> Client::watch() const {
    const auto deadline = protocol::Deadline::after(patience_);
    SMMU_TRY(protocol::Connection connection, connect(deadline));
    SMMU_CHECK(send(connection, std::uint32_t(Verb::watch), {}, {}, deadline));
    SMMU_TRY(const Message reply, receive(connection, deadline));
    SMMU_CHECK(outcome(reply, "be watched by", "smmuman"));
    return connection;
}

Result<void> Client::keep(std::string_view name, const Deposit& deposit) const {
    SMMU_TRY(const Message reply, ask(Verb::keep, name, deposit));
    return outcome(reply, "keep", name);
}

Result<std::optional<Deposit>> Client::hand_out(std::string_view name) const {
    SMMU_TRY(Message reply, ask(Verb::hand_out, name, {}));
    if (reply.word == ENOENT) return std::optional<Deposit>();
    SMMU_CHECK(outcome(reply, "hand out", name));
    return std::optional<Deposit>(std::move(reply.deposit));
}

Result<void> Client::let_go(std::string_view name) const {
    SMMU_TRY(const Message reply, ask(Verb::let_go, name, {}));
    return outcome(reply, "let go", name);
}

Result<void> Client::let_go_all(std::string_view beginning) const {
    SMMU_TRY(const Message reply, ask(Verb::let_go_all, beginning, {}));
    return outcome(reply, "let go all", beginning);
}

}  // namespace smmu::holder
