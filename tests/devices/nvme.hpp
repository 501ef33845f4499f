// SPDX-License-Identifier: Apache-2.0
// Nvme: a small driver of an NVMe controller, for tests. Fetching a command or a list of pages is a read
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

    // The queues take four pages of memory from `queues` on, at equal device addresses; the latter two for I/O.
    Nvme(link::Client& client, const Ram& ram, Function function, PhysAddr queues)
        : client_(client), ram_(ram), function_(function), queues_(queues),
          admin_{0, queues, queues + 0x1000}, io_{1, queues + 0x2000, queues + 0x3000} {}

    PhysAddr submissions() const { return queues_; }
    PhysAddr completions() const { return queues_ + 0x1000; }
    PhysAddr io_submissions() const { return queues_ + 0x2000; }
    PhysAddr io_completions() const { return queues_ + 0x3000; }

    // Resets the controller and gives it empty queues; false: it does not become ready.
    bool start() {
        constexpr std::uint16_t memory_and_master = 6;
        client_.write(config(4), 2, memory_and_master);
        bar_ = {(client_.read(config(0x14), 4) << 32) |
                (client_.read(config(0x10), 4) & ~std::uint64_t{15})};
        write(controller_configuration, 4, 0);
        if (!wait_for_ready(false)) return false;
        ram_.fill(queues_, 0x4000, 0);
        admin_.tail = io_.tail = 0;
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
        constexpr std::uint32_t of_controller = 1;
        return admin({.opcode = 6, .first = destination.value, .words = {of_controller, 0, 0}}) == 0;
    }
    // Queues for reading and writing, one page each behind the admin queues. False: the controller did not make them.
    bool make_io_queues() {
        constexpr std::uint32_t number = 1, contiguous = 1;
        const std::uint32_t size = (entries - 1) << 16 | number;
        return admin({.opcode = 5, .first = io_completions().value, .words = {size, contiguous, 0}}) == 0 &&
               admin({.opcode = 1, .first = io_submissions().value, .words = {size, number << 16 | contiguous, 0}}) == 0;
    }
    // Reads `pages` from the drive, whose every byte is 0: the first to `first`; the second to `second`, or all others to
    // where the list of pages at `second` says. The status in the completion; nothing when none came to memory.
    std::optional<std::uint32_t> read(Iova first, Iova second, std::uint32_t pages) {
        constexpr std::uint32_t blocks_per_page = 8;
        return io_.submit(*this, {.opcode = 2, .name_space = 1, .first = first.value, .second = second.value,
                                  .words = {0, 0, pages * blocks_per_page - 1}});
    }

    // The controller gave up: it could not fetch a command, or not tell of one.
    bool is_fatal() { return (status() & 2) != 0; }

private:
    struct Command {
        std::uint32_t opcode = 0;
        std::uint32_t name_space = 0;
        std::uint64_t first = 0, second = 0;   // PRP1 and PRP2
        std::array<std::uint32_t, 3> words{};  // 10 to 12
    };
    // A pair of queues; one command is under way at a time, and they are not used longer than once round.
    struct Queues {
        std::uint32_t number;
        PhysAddr submissions, completions;
        std::uint32_t tail = 0;

        std::optional<std::uint32_t> submit(Nvme& nvme, const Command& command) {
            SMMU_ASSERT(tail + 1 < entries);
            const PhysAddr entry = submissions + 64ull * tail;
            const PhysAddr completion = completions + 16ull * tail;
            nvme.ram_.store<std::uint32_t>(entry, command.opcode | (tail + 1) << 16);
            nvme.ram_.store<std::uint32_t>(entry + 4, command.name_space);
            nvme.ram_.store<std::uint64_t>(entry + 24, command.first);
            nvme.ram_.store<std::uint64_t>(entry + 32, command.second);
            nvme.ram_.store(entry + 40, command.words);
            nvme.write(doorbell + 8ull * number, 4, ++tail);
            const Instant deadline = std::chrono::steady_clock::now() + patience;
            while (std::chrono::steady_clock::now() < deadline) {
                constexpr std::uint32_t phase = 1u << 16;
                const auto last = nvme.ram_.load<std::uint32_t>(completion + 12);
                if ((last & phase) != 0) return last >> 17 & 0x7ff;
                if (nvme.is_fatal()) break;
                usleep(1000);
            }
            return std::nullopt;
        }
    };
    std::optional<std::uint32_t> admin(const Command& command) { return admin_.submit(*this, command); }

    static constexpr std::uint32_t entries = 32;
    static constexpr std::uint64_t controller_configuration = 0x14, controller_status = 0x1c;
    static constexpr std::uint64_t admin_sizes = 0x24, admin_submissions = 0x28;
    static constexpr std::uint64_t admin_completions = 0x30, doorbell = 0x1000;
    static constexpr Nanoseconds patience = std::chrono::seconds(2);

    PhysAddr config(std::uint64_t offset) const {
        return config_space(client_, function_) + offset;
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
    Queues admin_, io_;
};

}  // namespace smmu::test
