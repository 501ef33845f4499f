// SPDX-License-Identifier: Apache-2.0
#include "daemon/keeper_watch.hpp"

#include <sys/epoll.h>
#include <systemd/sd-daemon.h>

#include <cstdio>

namespace smmu::daemon {

namespace {

constexpr const char* danger = "until it runs, a crash of this service would set free what units walk";

}  // namespace

void KeeperWatch::look() {
    if (connection_ || !platform_.needs_keeper()) return;
    if (const auto joined = platform_.join_keeper(); !joined) return lost(joined.error().text);
    sd_event_source* source = nullptr;
    if (sd_event_add_io(loop_, &source, platform_.keeper_connection(), EPOLLIN | EPOLLRDHUP, on_hang_up, this) < 0)
        return lost("the event loop takes no more sources");
    connection_.reset(source);
    if (!problem_.empty()) std::fprintf(stderr, SD_NOTICE "smmuman: smmuman-holder keeps everything again\n");
    problem_.clear();
}

void KeeperWatch::lost(std::string why) {
    if (problem_ != why) std::fprintf(stderr, SD_ERR "smmuman: %s; %s\n", why.c_str(), danger);
    problem_ = std::move(why);
}

// Its successor may be there already; else every second brings a new try.
int KeeperWatch::on_hang_up(sd_event_source*, int, std::uint32_t, void* data) {
    KeeperWatch& watch = *static_cast<KeeperWatch*>(data);
    watch.connection_.reset();
    watch.lost("smmuman-holder has ended");
    watch.look();
    return 0;
}

}  // namespace smmu::daemon
