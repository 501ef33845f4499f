// SPDX-License-Identifier: Apache-2.0
#include "client/last_error.hpp"

#include <smmu_ext.h>

#include <cerrno>

namespace smmu::client {
namespace {

constinit thread_local protocol::Sentence last_sentence;

}  // namespace

void remember(const protocol::Failure& failure) {
    last_sentence = failure.text;
    errno = failure.code;
}

int finish(const protocol::Checked<int>& outcome) {
    if (outcome) return *outcome;
    remember(outcome.error());
    return -1;
}

ErrnoKept::ErrnoKept() : kept_(errno) {}
ErrnoKept::~ErrnoKept() {
    errno = kept_;
}

}  // namespace smmu::client

extern "C" const char* smmu_strerror_last(void) {
    return smmu::client::last_sentence.c_str();
}
