// SPDX-License-Identifier: Apache-2.0
#include "base/unique_fd.hpp"

#include <cerrno>
#include <unistd.h>

namespace smmu {

void UniqueFd::reset(int fd) {
    const int old = std::exchange(fd_, fd);
    if (old < 0) return;
    const int kept = errno;
    close(old);
    errno = kept;
}

}  // namespace smmu
