// SPDX-License-Identifier: Apache-2.0
// Safety: smmu_safety.
#include <smmu.h>

#include "client/last_error.hpp"
#include "client/session.hpp"

extern "C" int smmu_safety(void) {
    using namespace smmu::client;
    const Use session;
    const auto reply =
        session->call(smmu::protocol::Opcode::safety, smmu::protocol::SafetyRequest{});
    if (!reply) return finish(std::unexpected(reply.error()));
    return reply->outcome.result == SMMUMAN_SAFETY_YES ? SMMUMAN_SAFETY_YES : SMMUMAN_SAFETY_NO;
}
