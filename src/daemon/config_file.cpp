// SPDX-License-Identifier: Apache-2.0
#include "daemon/config_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>

#include "base/unique_fd.hpp"
#include "config/words.hpp"

namespace smmu::daemon {

Result<std::string> read_config_file(const std::string& path) {
    const auto failed = [&](int code) { return fail(code, fmt::format("{}: {}", path, std::strerror(code))); };
    // A pipe or device could keep the service waiting for ever.
    const UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (!file) return failed(errno);
    struct stat status{};
    if (fstat(file.get(), &status) != 0) return failed(errno);
    if (!S_ISREG(status.st_mode)) return fail(EINVAL, path + ": not a regular file");
    if (std::size_t(status.st_size) > config::longest_file)
        return fail(EFBIG, fmt::format("{}: more than {} bytes", path, config::longest_file));

    std::string text(std::size_t(status.st_size), '\0');
    std::size_t done = 0;
    while (done < text.size()) {
        const ssize_t got = read(file.get(), text.data() + done, text.size() - done);
        if (got < 0) return failed(errno);
        if (got == 0) break;
        done += std::size_t(got);
    }
    text.resize(done);
    return text;
}

}  // namespace smmu::daemon
