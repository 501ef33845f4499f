// SPDX-License-Identifier: Apache-2.0
#include "holder/keeper.hpp"

#include <unistd.h>

#include "protocol/peer.hpp"

namespace smmu::holder {

namespace {

constexpr std::chrono::seconds longest_conversation{2};

bool may_ask(const protocol::Connection& connection) {
    const auto peer = protocol::peer_of(connection.fd());
    return peer && (peer->uid == 0 || peer->uid == geteuid());
}

}  // namespace

void Keeper::serve(protocol::Connection connection) {
    if (!may_ask(connection)) return;
    const auto deadline = protocol::Deadline::after(longest_conversation);
    auto request = receive(connection, deadline);
    if (!request) return;
    const bool watches = Verb(request->word) == Verb::watch && has_room_to_watch();
    answer(connection, *std::move(request), deadline);
    if (watches) watchers_.push_back(std::move(connection));
}

bool Keeper::has_room_to_watch() {
    std::erase_if(watchers_, [](const protocol::Connection& watcher) { return watcher.peer_gone(); });
    return watchers_.size() < most_watchers;
}

int Keeper::keep(Message request) {
    if (request.name.empty() || request.deposit.descriptors.empty()) return EINVAL;
    if (deposits_.contains(request.name)) return EEXIST;
    if (deposits_.size() == most_deposits) return ENOSPC;
    deposits_.emplace(std::move(request.name), std::move(request.deposit));
    return 0;
}

int Keeper::let_go(const std::string& name) { return deposits_.erase(name) == 1 ? 0 : ENOENT; }

int Keeper::let_go_all(const std::string& beginning) {
    if (beginning.empty()) return EINVAL;
    std::erase_if(deposits_, [&](const auto& deposit) { return deposit.first.starts_with(beginning); });
    return 0;
}

// An answer that cannot be sent is the asker's loss.
void Keeper::answer(const protocol::Connection& connection, Message request, const protocol::Deadline& deadline) {
    const auto reply = [&](int code, const Deposit& deposit) {
        [[maybe_unused]] const auto sent = send(connection, std::uint32_t(code), {}, deposit, deadline);
    };
    switch (Verb(request.word)) {
        case Verb::keep: return reply(keep(std::move(request)), {});
        case Verb::let_go: return reply(let_go(request.name), {});
        case Verb::let_go_all: return reply(let_go_all(request.name), {});
        case Verb::watch: return reply(has_room_to_watch() ? 0 : ENOSPC, {});
        case Verb::hand_out:
            if (const auto found = deposits_.find(request.name); found != deposits_.end()) return reply(0, found->second);
            return reply(ENOENT, {});
    }
    reply(EINVAL, {});
}

}  // namespace smmu::holder
