// SPDX-License-Identifier: Apache-2.0
#include "client/query.hpp"

#include <cerrno>

#include "client/session.hpp"

namespace smmu::client {

protocol::Checked<UniqueFd> query(protocol::View view, std::string_view argument) {
    if (argument.size() > protocol::argument_limit)
        return protocol::refuse(EINVAL, "the argument of a view is too long");
    const Use session;
    const auto reply = session->call(protocol::Opcode::query, protocol::QueryRequest{view, 0},
                                     std::as_bytes(std::span(argument.data(), argument.size())));
    if (!reply) return std::unexpected(reply.error());
    return session->take_descriptor();
}

}  // namespace smmu::client
