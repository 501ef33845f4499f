// SPDX-License-Identifier: Apache-2.0
// Client: the service's way to the holder; one connection for each request, and one that tells when it ends.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "holder/message.hpp"

namespace smmu::holder {

class Client {
public:
    static constexpr std::chrono::milliseconds usual_patience{5000};  // with each request

    explicit Client(std::string socket, std::chrono::milliseconds patience = usual_patience)
        : socket_(std::move(socket)), patience_(patience) {}

    // The holder keeps copies of the descriptors. EEXIST: something lies under this name already.
    Result<void> keep(std::string_view name, const Deposit& deposit) const;
    // Copies of what lies under the name; nothing when there is none.
    Result<std::optional<Deposit>> hand_out(std::string_view name) const;
    // ENOENT: nothing lies under the name.
    Result<void> let_go(std::string_view name) const;
    // Everything whose name begins so.
    Result<void> let_go_all(std::string_view beginning) const;
    // A connection whose other side is gone as soon as the holder is.
    Result<protocol::Connection> watch() const;

private:
    Result<protocol::Connection> connect(const protocol::Deadline& deadline) const;
    // The reply, whatever its outcome. ENOENT: no holder runs; EPERM: somebody else sits at the socket.
    Result<Message> ask(Verb verb, std::string_view name, const Deposit& deposit) const;

    std::string socket_;
    std::chrono::milliseconds patience_;
};

}  // namespace smmu::holder
