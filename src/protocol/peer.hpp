// SPDX-License-Identifier: Apache-2.0
// Peer: who sits at the other end of a socket, as the kernel says it.
#pragma once

#include <sys/types.h>

#include <span>

#include "base/unique_fd.hpp"
#include "protocol/failure.hpp"

namespace smmu::protocol {

struct Peer {
    pid_t pid = 0;
    uid_t uid = 0;
    gid_t gid = 0;
};

// Whoever called connect(), or listen() when asked by the side that connected.
Checked<Peer> peer_of(int socket);

// A descriptor that polls readable when the peer's process has ended. Where the kernel cannot make
// it from the socket (before 6.5) it is opened by number; ESRCH: the process has ended already.
Checked<UniqueFd> process_of(int socket, const Peer& peer);

// The peer's supplementary groups when it connected; how many of `groups` were filled. `groups`
// should have groups_limit elements; EOVERFLOW when it is too small.
Checked<std::size_t> groups_of(int socket, std::span<gid_t> groups);

}  // namespace smmu::protocol
