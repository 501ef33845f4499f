// SPDX-License-Identifier: Apache-2.0
#include "platform/linux/instance_lock.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>

namespace smmu::platform::linux {

Result<UniqueFd> lock_instance(const std::string& path) {
    mkdir(path.substr(0, path.rfind('/')).c_str(), 0755);  // of the socket too; whoever comes first makes it
    UniqueFd file(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!file) return fail(errno, fmt::format("{}: {}; run smmuman as root", path, std::strerror(errno)));
    if (flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
        char holder[32] = {};
        const ssize_t got = pread(file.get(), holder, sizeof holder - 1, 0);
        return fail(EBUSY, fmt::format("this machine's units are driven by another smmuman (process {}); stop it first", got > 0 ? holder : "?"));
    }
    const std::string own = std::to_string(getpid());
    if (ftruncate(file.get(), 0) != 0 || pwrite(file.get(), own.data(), own.size(), 0) != ssize_t(own.size()))
        return fail(EIO, fmt::format("{}: cannot be written", path));
    return file;
}

}  // namespace smmu::platform::linux
