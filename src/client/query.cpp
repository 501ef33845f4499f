// SPDX-License-Identifier: Apache-2.0
#include "client/query.hpp"

#include "client/session.hpp"

namespace smmu::client {

protocol::Checked<UniqueFd> query(protocol::View view) {
    const Use session;
    const auto reply = session->call(protocol::Opcode::query, protocol::QueryRequest{view, 0});
    if (!reply) return std::unexpected(reply.error());
    return session->take_descriptor();
}

}  // namespace smmu::client
