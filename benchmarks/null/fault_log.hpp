// SPDX-License-Identifier: Apache-2.0
// FaultLog: where the null unit's refusals come from: a file that the benchmark and the service both map. The benchmark
// plays the hardware, and learns when the unit handed its refusals over.
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>

#include "base/unique_fd.hpp"

namespace bench {

inline constexpr const char* fault_log_variable = "SMMU_BENCHMARK_FAULTS";  // names the file

inline std::uint64_t monotonic_ns() {
    timespec time{};
    clock_gettime(CLOCK_MONOTONIC, &time);
    return std::uint64_t(time.tv_sec) * 1'000'000'000 + std::uint64_t(time.tv_nsec);
}

struct FaultLog {
    std::atomic<std::uint64_t> refused;      // so many accesses, each of another page; devices take turns
    std::atomic<std::uint64_t> handed_over;  // when the unit began to hand over the last of them, in ns
};

// The log in the file, made when it is not there; nullptr when it cannot be. Stays mapped.
inline FaultLog* map_fault_log(const char* path) {
    const smmu::UniqueFd file(open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (!file || ftruncate(file.get(), sizeof(FaultLog)) != 0) return nullptr;
    void* const start = mmap(nullptr, sizeof(FaultLog), PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
    return start == MAP_FAILED ? nullptr : static_cast<FaultLog*>(start);
}

}  // namespace bench
