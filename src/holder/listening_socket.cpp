// SPDX-License-Identifier: Apache-2.0
#include "holder/listening_socket.hpp"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "protocol/connection.hpp"

namespace smmu::holder {

namespace {

constexpr int waiting_connections = 16;
constexpr std::chrono::seconds longest_try{1};

std::unexpected<Error> failed(std::string_view what, const std::string& path) {
    const int code = errno;
    return fail(code, fmt::format("cannot {} {}: {}", what, path, std::strerror(code)));
}

}  // namespace

Result<UniqueFd> listen_at(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path)
        return fail(ENAMETOOLONG, fmt::format("{}: a path of a local socket has at most {} bytes", path, sizeof address.sun_path - 1));
    std::ranges::copy(path, address.sun_path);
    const std::string folder = path.substr(0, path.rfind('/'));
    if (mkdir(folder.c_str(), 0755) != 0 && errno != EEXIST) return failed("make the folder", folder);
    const auto other = protocol::Connection::open(path.c_str(), protocol::Deadline::after(longest_try));
    if (other) return fail(EADDRINUSE, fmt::format("another smmuman-holder listens at {}", path));
    if (other.error().code != ENOENT)
        return fail(other.error().code, fmt::format("whether another smmuman-holder listens at {} cannot be found out: {}", path,
                                                    std::strerror(other.error().code)));
    unlink(path.c_str());  // left by one that was killed, if there is any

    UniqueFd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    if (!socket) return failed("make the socket", path);
    const mode_t mask = umask(0177);
    const int bound = bind(socket.get(), static_cast<const sockaddr*>(static_cast<const void*>(&address)), sizeof address);
    umask(mask);
    if (bound != 0) return failed("bind the socket", path);
    if (listen(socket.get(), waiting_connections) != 0) return failed("listen at", path);
    return socket;
}

}  // namespace smmu::holder
