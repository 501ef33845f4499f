// SPDX-License-Identifier: Apache-2.0
// Observer: a thread that holds the board's tap on a unit's registers and shows every write of the
// service to a judge while the whole board stands still.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include "link/client.hpp"

namespace smmu::test {

class Observer {
public:
    using AtStop = std::function<void(const link::Stop&)>;

    // `tap` must hold the tap already and is used by the observer's thread only, until this object
    // ends.
    Observer(link::Client& tap, AtStop at_stop)
        : tap_(tap), at_stop_(std::move(at_stop)), thread_([this] { run(); }) {}
    Observer(const Observer&) = delete;
    Observer& operator=(const Observer&) = delete;
    ~Observer() {
        {
            const std::lock_guard lock(mutex_);
            ends_ = true;
        }
        thread_.join();
    }

    // Runs `work` in the observer's thread between two stops, and returns when it is done.
    void between_stops(std::function<void()> work) {
        std::unique_lock lock(mutex_);
        work_ = std::move(work);
        done_.wait(lock, [this] { return !work_; });
    }

private:
    void run() {
        for (;;) {
            const auto stop = tap_.wait_for_stop(std::chrono::milliseconds(2));
            if (stop && *stop) {
                at_stop_(**stop);
                (void)tap_.resume(**stop);
                continue;
            }
            std::unique_lock lock(mutex_);
            if (work_) {
                work_();
                work_ = nullptr;
                done_.notify_all();
            }
            if (ends_) return;
        }
    }

    link::Client& tap_;
    AtStop at_stop_;
    std::mutex mutex_;
    std::condition_variable done_;
    std::function<void()> work_;
    bool ends_ = false;
    std::thread thread_;
};

}  // namespace smmu::test
