// SPDX-License-Identifier: Apache-2.0
// ForkMark: tells a process from a copy of it, however it was forked: in a page that the kernel empties in the copy. Looking
// is no system call, as asking for the process id would be with each request.
#pragma once

namespace smmu::client {

class ForkMark {
public:
    constexpr ForkMark() = default;

    // Marks this process. False: no memory. The page stays for the life of the process.
    bool set();
    // False in a copy that was made since.
    bool is_set() const { return mark_ != nullptr && *mark_; }

private:
    bool* mark_ = nullptr;
};

}  // namespace smmu::client
