// SPDX-License-Identifier: Apache-2.0
// smmuman-floor: what a start costs at least: a process with the libraries of the service that opens a listening
// socket, says READY and answers one client's hello.
//
//   smmuman-floor socket PATH foreground
#include <fmt/format.h>
#include <libfdt.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>

#include <array>
#include <cstring>

#include "protocol/connection.hpp"

namespace {

using namespace smmu;

UniqueFd listener(const char* path) {
    UniqueFd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    const auto* name = static_cast<const sockaddr*>(static_cast<const void*>(&address));
    if (bind(socket.get(), name, sizeof address) != 0 || listen(socket.get(), 128) != 0) return {};
    return socket;
}

bool answer_hello(const protocol::Connection& connection) {
    static std::array<std::byte, protocol::packet_limit> buffer;
    protocol::Descriptors descriptors;
    const auto soon = protocol::Deadline::after(std::chrono::seconds(5));
    const auto packet = connection.receive(buffer, descriptors, soon);
    if (!packet) return false;
    const auto request = protocol::decode_request(*packet, descriptors.size());
    if (!request) return false;
    protocol::HelloReply reply{};
    reply.instance = 1;
    reply.version = protocol::protocol_version;
    const auto answer = protocol::encode_reply(buffer, protocol::Opcode::hello, request->sequence, reply);
    return connection.send(answer, {}, soon).has_value();
}

}  // namespace

int main(int count, char** words) {
    if (count != 4) return EXIT_FAILURE;
    const UniqueFd listening = listener(words[2]);
    // Named so that each library is needed.
    sd_notifyf(0, "READY=1\nSTATUS=%s", fmt::format("tables are version {}", FDT_LAST_SUPPORTED_VERSION).c_str());
    if (fdt_check_header(words) == 0) return EXIT_FAILURE;
    const protocol::Connection connection(UniqueFd(accept(listening.get(), nullptr, nullptr)));
    return answer_hello(connection) ? EXIT_SUCCESS : EXIT_FAILURE;
}
