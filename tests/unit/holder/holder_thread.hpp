// SPDX-License-Identifier: Apache-2.0
// HolderThread: a keeper in a thread of its own, at a socket of its own.
#pragma once

#include <gtest/gtest.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <filesystem>
#include <mutex>
#include <string>
#include <thread>

#include "holder/keeper.hpp"
#include "holder/listening_socket.hpp"

namespace smmu::holder::test {

class HolderThread {
public:
    HolderThread() {
        EXPECT_NE(mkdtemp(folder_.data()), nullptr);
        auto listening = listen_at(path());
        EXPECT_TRUE(listening) << listening.error().text;
        listening_ = std::move(*listening);
        serving_ = std::jthread([this](const std::stop_token& stop) { serve(stop); });
    }
    HolderThread(const HolderThread&) = delete;
    HolderThread& operator=(const HolderThread&) = delete;
    ~HolderThread() {
        serving_ = {};
        std::filesystem::remove_all(folder_);
    }

    const std::string& folder() const { return folder_; }
    std::string path() const { return folder_ + "/run/socket"; }
    // After the last conversation that has been answered.
    std::size_t deposits() const {
        const std::lock_guard alone(busy_);
        return keeper_.size();
    }

private:
    void serve(const std::stop_token& stop) {
        while (!stop.stop_requested()) {
            pollfd waited{listening_.get(), POLLIN, 0};
            if (poll(&waited, 1, 10) != 1) continue;
            const std::lock_guard alone(busy_);
            UniqueFd socket(accept4(listening_.get(), nullptr, nullptr, SOCK_CLOEXEC));
            if (socket) keeper_.serve(protocol::Connection(std::move(socket)));
        }
    }

    std::string folder_ = std::filesystem::temp_directory_path().string() + "/smmu-holder-XXXXXX";
    UniqueFd listening_;
    mutable std::mutex busy_;
    Keeper keeper_;
    std::jthread serving_;
};

}  // namespace smmu::holder::test
