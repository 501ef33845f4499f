// SPDX-License-Identifier: Apache-2.0
// QemuProcess: the emulator's process. It dies with its owner, however that ends.
#pragma once

#include <sys/types.h>

#include <span>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/unique_fd.hpp"

namespace smmu::board {

class QemuProcess {
public:
    // Starts `arguments` with its output going to `log`; `inherited` descriptors keep their
    // numbers.
    static Result<QemuProcess> start(const std::vector<std::string>& arguments, const UniqueFd& log,
                                     std::span<const int> inherited);
    QemuProcess(QemuProcess&& other) noexcept
        : pid_(std::exchange(other.pid_, 0)), ended_(std::move(other.ended_)) {}
    QemuProcess& operator=(QemuProcess&&) = delete;
    ~QemuProcess();

    pid_t pid() const { return pid_; }
    int ended() const { return ended_.get(); }  // a descriptor that becomes readable when it ends

private:
    QemuProcess(pid_t pid, UniqueFd ended) : pid_(pid), ended_(std::move(ended)) {}
    pid_t pid_;
    UniqueFd ended_;
};

}  // namespace smmu::board
