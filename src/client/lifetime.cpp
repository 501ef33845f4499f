// SPDX-License-Identifier: Apache-2.0
// Lifetime: smmu_init and smmu_fini.
#include <smmu.h>

#include <cerrno>

#include "client/last_error.hpp"
#include "client/session.hpp"

using namespace smmu::client;

extern "C" int smmu_init(unsigned flags) {
    if (flags != 0) return finish(smmu::protocol::refuse(EINVAL, "smmu_init: flags must be 0"));
    const Use session;
    return finish(session->begin());
}

extern "C" void smmu_fini(void) {
    const ErrnoKept kept;
    const Use session;
    session->end();
}
