// SPDX-License-Identifier: Apache-2.0
// Message: what service and holder say to each other, in either direction: a verb or its outcome, a name, and perhaps a
// deposit.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "holder/deposit.hpp"
#include "protocol/connection.hpp"

namespace smmu::holder {

enum class Verb : std::uint32_t {
    keep = 1,  // a deposit under a name. EEXIST: there is one; it stays
    hand_out,  // what lies under a name: copies of the descriptors. ENOENT
    let_go,    // forget what lies under a name. ENOENT
    let_go_all,  // forget everything whose name begins so
    watch        // nothing, but the connection stays: it ends with the holder. ENOSPC
};

struct Message {
    std::uint32_t word = 0;  // a request's Verb, a reply's errno value or 0
    std::string name;
    Deposit deposit;
};

// EPROTO: not this conversation, or beyond its limits.
Result<Message> receive(const protocol::Connection& connection, const protocol::Deadline& deadline);
Result<void> send(const protocol::Connection& connection, std::uint32_t word, std::string_view name, const Deposit& deposit,
                  const protocol::Deadline& deadline);

}  // namespace smmu::holder
