// SPDX-License-Identifier: Apache-2.0
// smmuman-holder: keeps the descriptors of the service's table memory, from one service of this boot to the next.
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>

#include "holder/keeper.hpp"
#include "holder/listening_socket.hpp"

namespace {

using namespace smmu;

constexpr useconds_t pause_after_failure_us = 100'000;

// Deposits are descriptors: as many as the system lets this process have.
void allow_many_descriptors() {
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

int serve(const std::string& path) {
    allow_many_descriptors();
    const auto listening = holder::listen_at(path);
    if (!listening) {
        std::fprintf(stderr, "smmuman-holder: %s\n", listening.error().text.c_str());
        return 1;
    }
    sd_notify(0, "READY=1");
    holder::Keeper keeper;
    for (;;) {
        UniqueFd socket(accept4(listening->get(), nullptr, nullptr, SOCK_CLOEXEC));
        if (socket)
            keeper.serve(protocol::Connection(std::move(socket)));
        else
            usleep(pause_after_failure_us);  // out of descriptors or memory: it may pass
    }
}

}  // namespace

int main(int argc, char** argv) {
    // What it keeps is being walked: nobody ends it by a word that is meant for a terminal, a session or a service.
    for (const int word : {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM, SIGPIPE}) signal(word, SIG_IGN);
    if (argc == 1) return serve(holder::default_socket);
    if (argc == 3 && std::strcmp(argv[1], "--socket") == 0) return serve(argv[2]);
    const bool help = argc == 2 && std::strcmp(argv[1], "--help") == 0;
    std::fprintf(help ? stdout : stderr, "usage: smmuman-holder [--socket PATH]\n\nKeeps the service's table memory; see smmuman-holder(8).\n");
    return help ? 0 : 2;
}
