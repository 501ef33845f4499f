// SPDX-License-Identifier: Apache-2.0
// Last error: how a Failure becomes what C sees: errno, -1, and the sentence of
// smmu_strerror_last().
#pragma once

#include "protocol/failure.hpp"

namespace smmu::client {

// Sets errno and this thread's sentence.
void remember(const protocol::Failure& failure);

// The result of a C function: the value, or -1 after remembering the failure.
int finish(const protocol::Checked<int>& outcome);

// Keeps errno as it was, for functions that must not touch it.
class ErrnoKept {
public:
    ErrnoKept();
    ~ErrnoKept();
    ErrnoKept(const ErrnoKept&) = delete;
    ErrnoKept& operator=(const ErrnoKept&) = delete;

private:
    int kept_;
};

}  // namespace smmu::client
