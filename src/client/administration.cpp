// SPDX-License-Identifier: Apache-2.0
#include "client/administration.hpp"

#include <span>

#include "client/session.hpp"

namespace smmu::client {

protocol::Checked<> administer(protocol::Administration action, std::string_view unit) {
    const Use session;
    const auto reply = session->call(protocol::Opcode::administer, protocol::AdministerRequest{action, 0},
                                     std::as_bytes(std::span(unit)));
    if (!reply) return std::unexpected(reply.error());
    return {};
}

}  // namespace smmu::client
