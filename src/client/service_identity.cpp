// SPDX-License-Identifier: Apache-2.0
#include "client/service_identity.hpp"

#include <pwd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <string_view>

#include "protocol/peer.hpp"

namespace smmu::client {
namespace {

constexpr std::string_view service_user = "smmuman";
constexpr int accounts_limit = 100'000;

// Looks into the machine's own list only: a directory on the network must not say whom to trust,
// and a statically linked program has no name service.
bool is_service_user(uid_t user) {
    std::FILE* accounts = std::fopen("/etc/passwd", "re");
    if (accounts == nullptr) return false;
    bool found = false;
    std::array<char, 4096> text{};
    passwd account{};
    passwd* filled = nullptr;
    for (int i = 0; i < accounts_limit && !found; ++i) {
        const int code = fgetpwent_r(accounts, &account, text.data(), text.size(), &filled);
        if (code == ERANGE) continue;  // a longer line than any account of ours
        if (code != 0 || filled == nullptr) break;
        found = service_user == account.pw_name && account.pw_uid == user;
    }
    std::fclose(accounts);
    return found;
}

}  // namespace

protocol::Checked<> check_service(int socket) {
    const auto peer = protocol::peer_of(socket);
    if (!peer) return std::unexpected(peer.error());
    if (peer->uid == 0 || peer->uid == geteuid() || is_service_user(peer->uid)) return {};
    return protocol::refuse(
        EPERM, "the socket belongs to neither root, the user smmuman nor this user; not trusted");
}

}  // namespace smmu::client
