// SPDX-License-Identifier: Apache-2.0
// Clients: the connected processes and what each user holds of what is shared by all.
#pragma once

#include <map>
#include <memory>
#include <optional>

#include "base/ids.hpp"
#include "containment/identity.hpp"
#include "containment/protected_set.hpp"
#include "memory/frame.hpp"

namespace smmu::containment {

// One user of the machine. Never forgotten: units keep pointers to the account.
struct User {
    memory::Account tables;
    std::uint64_t connections = 0;
    std::uint64_t objects = 0;
    std::uint64_t grants = 0;
};

struct Client {
    ClientId id;
    Identity identity;
    User* user = nullptr;
    // What is protected from this client, as of the ownership it was made for.
    ProtectedSet protected_memory;
    std::uint64_t protected_as_of = 0;
};

class Clients {
public:
    // All users together hold at most `table_frames`.
    explicit Clients(std::uint64_t table_frames) { tables_.limit = table_frames; }

    // The user of an identity, made on first sight with `table_frames` as its limit.
    User& user(uid_t uid, std::uint64_t table_frames) {
        auto [it, added] = users_.try_emplace(uid);
        if (added) it->second.tables = {.limit = table_frames, .held = 0, .within = &tables_};
        return it->second;
    }
    Client& add(Identity identity, User& user) {
        const ClientId id{++last_id_};
        ++user.connections;
        Client& client = clients_[id];
        client.id = id;
        client.identity = std::move(identity);
        client.user = &user;
        return client;
    }
    Client* find(ClientId id) {
        const auto it = clients_.find(id);
        return it == clients_.end() ? nullptr : &it->second;
    }
    const Client* find(ClientId id) const {
        const auto it = clients_.find(id);
        return it == clients_.end() ? nullptr : &it->second;
    }
    void remove(ClientId id) {
        const auto it = clients_.find(id);
        if (it == clients_.end()) return;
        --it->second.user->connections;
        clients_.erase(it);
    }
    auto begin() const { return clients_.begin(); }
    auto end() const { return clients_.end(); }

private:
    memory::Account tables_;
    std::map<uid_t, User> users_;
    std::map<ClientId, Client> clients_;
    std::uint32_t last_id_ = 0;
};

}  // namespace smmu::containment
