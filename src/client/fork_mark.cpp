// SPDX-License-Identifier: Apache-2.0
#include "client/fork_mark.hpp"

#include <sys/mman.h>

#include <cstddef>

namespace smmu::client {

bool ForkMark::set() {
    if (mark_ == nullptr) {
        constexpr std::size_t some = 1;  // of a page
        void* const page = mmap(nullptr, some, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (page == MAP_FAILED) return false;
        if (madvise(page, some, MADV_WIPEONFORK) != 0) {
            munmap(page, some);
            return false;
        }
        mark_ = static_cast<bool*>(page);
    }
    *mark_ = true;
    return true;
}

}  // namespace smmu::client
