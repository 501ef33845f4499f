// SPDX-License-Identifier: Apache-2.0
// Nvme: a small driver of an NVMe controller's admin queue, for tests. Fetching a command is a read
// by the device; the data of Identify and the completion are writes by it.
//
//   test::Nvme nvme(link, ram, test::q35::nvme, {0x2000000});
//   ASSERT_TRUE(nvme.start());
//   EXPECT_TRUE(nvme.identify({0x2003000}));  // whether it completed; look at memory for the data
#pragma once

#include "tests/board/board_fixture.hpp"

namespace smmu::test {

class Nvme {
public:
    static constexpr std::uint64_t identify_bytes = 4096;

    // The queues take two pages of memory from `queues` on, at equal device addresses.
    Nvme(link::Client& client, const Ram& ram, Function function, PhysAddr queues)
        : client_(client), ram_(ram), function_(function), queues_(queues) {}

    PhysAddr submissions() const { return queues_; }
    PhysAddr completions() const { return queues_ + 0x1000; }

    // Resets the controller and gives it empty queues; false: it does not become ready.
    bool start() {
        constexpr std::uint16_t memory_and_master = 6;
        client_.write(config(4), 2, memory_and_master);
        bar_ = {(client_.read(config(0x14), 4) << 32) |
                (client_.read(config(0x10), 4) & ~std::uint64_t{15})};
        write(controller_configuration, 4, 0);
        if (!wait_for_ready(false)) return false;
        ram_.fill(queues_, 0x2000, 0);
        tail_ = 0;
        write(admin_sizes, 4, (entries - 1) << 16 | (entries - 1));
        write(admin_submissions, 8, submissions().value);
        write(admin_completions, 8, completions().value);
        constexpr std::uint32_t enable = 1, entry_sizes = 6u << 16 | 4u << 20;  // 64, 16 bytes
        write(controller_configuration, 4, enable | entry_sizes);
        return wait_for_ready(true);
    }

    // Has the controller describe itself at `destination`, a page's start. True: a completion came
    // to memory. It says nothing about the data having arrived.
    bool identify(Iova destination) {
        constexpr std::uint32_t identify_command = 6, of_controller = 1;
        SMMU_ASSERT(tail_ + 1 < entries);
        const PhysAddr entry = submissions() + 64ull * tail_;
        ram_.store<std::uint32_t>(entry, identify_command | (tail_ + 1) << 16);
        ram_.store<std::uint64_t>(entry + 24, destination.value);
        ram_.store<std::uint32_t>(entry + 40, of_controller);
        const PhysAddr completion = completions() + 16ull * tail_;
        write(doorbell, 4, ++tail_);
        const Instant deadline = std::chrono::steady_clock::now() + patience;
        while (std::chrono::steady_clock::now() < deadline) {
            constexpr std::uint32_t phase = 1u << 16;
            if ((ram_.load<std::uint32_t>(completion + 12) & phase) != 0) return true;
            if (is_fatal()) return false;
            usleep(1000);
        }
        return false;
    }
    // The controller gave up: it could not fetch a command, or not tell of one.
    bool is_fatal() { return (status() & 2) != 0; }

private:
    static constexpr std::uint32_t entries = 32;
    static constexpr std::uint64_t controller_configuration = 0x14, controller_status = 0x1c;
    static constexpr std::uint64_t admin_sizes = 0x24, admin_submissions = 0x28;
    static constexpr std::uint64_t admin_completions = 0x30, doorbell = 0x1000;
    static constexpr Nanoseconds patience = std::chrono::seconds(2);

    PhysAddr config(std::uint64_t offset) const {
        return q35::ecam + (std::uint64_t{std::uint32_t(function_.stream())} << 12 | offset);
    }
    void write(std::uint64_t offset, std::uint8_t bytes, std::uint64_t value) {
        client_.write(bar_ + offset, bytes, value);
    }
    std::uint64_t status() { return client_.read(bar_ + controller_status, 4); }
    bool wait_for_ready(bool ready) {
        const Instant deadline = std::chrono::steady_clock::now() + patience;
        while ((status() & 1) != (ready ? 1u : 0u)) {
            if (std::chrono::steady_clock::now() > deadline) return false;
            usleep(1000);
        }
        return true;
    }

    link::Client& client_;
    const Ram& ram_;
    Function function_;
    PhysAddr queues_;
    PhysAddr bar_{};
    std::uint32_t tail_ = 0;
};

}  // namespace smmu::test
