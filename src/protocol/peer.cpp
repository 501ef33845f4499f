// SPDX-License-Identifier: Apache-2.0
#include "protocol/peer.hpp"

#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

namespace smmu::protocol {
namespace {

// From Linux 6.5; not in the headers of older distributions.
constexpr int so_peerpidfd = 77;

}  // namespace

Checked<Peer> peer_of(int socket) {
    ucred credentials{};
    socklen_t size = sizeof(credentials);
    if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0)
        return refuse_errno(errno, "cannot ask who the other side is");
    return Peer{credentials.pid, credentials.uid, credentials.gid};
}

Checked<UniqueFd> process_of(int socket, const Peer& peer) {
    int fd = -1;
    socklen_t size = sizeof(fd);
    if (getsockopt(socket, SOL_SOCKET, so_peerpidfd, &fd, &size) == 0) return UniqueFd(fd);
    if (errno != ENOPROTOOPT) return refuse_errno(errno, "the other side's process has ended");
    fd = int(syscall(SYS_pidfd_open, peer.pid, 0));
    if (fd < 0) return refuse_errno(errno, "the other side's process has ended");
    return UniqueFd(fd);
}

Checked<std::size_t> groups_of(int socket, std::span<gid_t> groups) {
    auto size = socklen_t(groups.size_bytes());
    if (getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &size) != 0)
        return refuse_errno(errno == ERANGE ? EOVERFLOW : errno,
                            "cannot ask for the other side's groups");
    return size / sizeof(gid_t);
}

}  // namespace smmu::protocol
