// SPDX-License-Identifier: Apache-2.0
// RcarRoom: a modelled R-Car with bus masters that do DMA on command, and the service on it with one of the board files that
// users have. The model complains of whatever breaks a rule of the hardware.
#pragma once

#include <gmock/gmock.h>

#include "tests/e2e/client_process.hpp"

namespace smmu::test {

constexpr std::uint64_t page = 0x1000;
constexpr std::uint64_t free_memory = 0x4200'0000;  // of the 256 MiB from 0x40000000 on

// A master by its registers, as the model describes them. Every one has a buffer that a command fills or empties.
struct Master {
    std::uint64_t base;
    unsigned channel = 0;
};
constexpr Master dmac0{0xe6700000}, sdhi0{0xee100000}, sdhi1{0xee120000}, sata{0xee300000}, avb{0xe6800000}, audio{0xec700000},
    fcpf0{0xfe950000}, usb{0xee000000};  // usb: the board file does not know it

class RcarRoom : public testing::Test {
protected:
    void open(const std::string& product) {
        const auto file = std::filesystem::temp_directory_path() / fmt::format("smmu-rcar-{}.json", getpid());
        std::ofstream(file) << fmt::format(R"({{"product": "{}"}})", product);
        open_file(file);
        std::filesystem::remove(file);
    }
    void open_file(const std::string& file) {
        auto started = BoardProcess::start(file, {}, "smmu-model-rcar");
        ASSERT_TRUE(started) << started.error().text;
        board_ = std::move(*started);
        auto link = board_->connect();
        ASSERT_TRUE(link) << link.error().text;
        link_ = std::move(*link);
        auto ram = Ram::map(*link_);
        ASSERT_TRUE(ram) << ram.error().text;
        ram_.emplace(std::move(*ram));
    }
    static std::vector<std::string> words(const std::string& board, std::vector<std::string> further = {}) {
        std::vector<std::string> all{"@" SMMU_SOURCE_DIR "/boards/" + board};
        all.insert(all.end(), further.begin(), further.end());
        return all;
    }
    void start(const std::string& board, const std::vector<std::string>& further = {}) {
        auto started = Service::start(*board_, words(board, further));
        ASSERT_TRUE(started) << started.error().text;
        service_.emplace(std::move(*started));
    }
    void TearDown() override {
        if (board_) EXPECT_THAT(contents(board_->directory() + "/model.log"), testing::Not(testing::HasSubstr("COMPLAINT")));
    }

    BoardProcess& board() { return *board_; }
    Service& service() { return *service_; }
    report::Status status() { return Service::status(*board_); }

    ClientProcess driver() {
        ClientProcess process = ClientProcess::start();
        const Answer answer = process.init();
        EXPECT_TRUE(answer.done()) << testing::PrintToString(answer);
        return process;
    }
    static Answer add(ClientProcess& process, Object object, Master master) {
        return process.run([object, base = master.base] { return long{smmu_device_add_mmio(object, base, 0x1000)}; });
    }
    static Object own(ClientProcess& process, Master master) {
        const Object object = process.create();
        const Answer added = add(process, object, master);
        EXPECT_TRUE(added.done()) << testing::PrintToString(added);
        return object;
    }

    // Whether what the master writes to `to` arrives at `memory`.
    bool writes(Master master, std::uint64_t to, std::uint64_t memory) {
        ram_->store<std::uint64_t>({memory}, 0);
        link_->write({master.base + buffer}, 8, mark);
        command(master, to, 2);
        return ram_->load<std::uint64_t>({memory}) == mark;
    }
    bool writes(Master master, std::uint64_t to) { return writes(master, to, to); }
    bool reads(Master master, std::uint64_t from) {
        ram_->store<std::uint64_t>({from}, mark);
        link_->write({master.base + buffer}, 8, 0);
        command(master, from, 1);
        return link_->read({master.base + buffer}, 8) == mark;
    }
    // What no client has been given is reached by nobody.
    void expect_contained(std::uint64_t memory = free_memory) {
        for (const Master master : {dmac0, Master{dmac0.base, 15}, sdhi0, sdhi1, sata, avb, audio, fcpf0, usb})
            EXPECT_FALSE(writes(master, memory)) << std::hex << master.base;
    }

private:
    static constexpr std::uint64_t buffer = 0x800, mark = 0x1122334455667788;

    void command(Master master, std::uint64_t address, std::uint32_t what) {
        link_->write({master.base + 0x08}, 4, master.channel);
        for (const std::uint64_t place : {0x10u, 0x18u}) {
            link_->write({master.base + place}, 4, address & 0xffff'ffff);
            link_->write({master.base + place + 4}, 4, address >> 32);
        }
        link_->write({master.base + 0x20}, 4, 8);
        link_->write({master.base + 0x24}, 4, what);
    }

    std::unique_ptr<BoardProcess> board_;
    std::unique_ptr<link::Client> link_;
    std::optional<Ram> ram_;
    std::optional<Service> service_;
};

// Waits until `condition` holds.
template <class Condition>
bool eventually(Condition condition) {
    const Instant deadline = std::chrono::steady_clock::now() + patience;
    while (!condition()) {
        if (std::chrono::steady_clock::now() > deadline) return false;
        usleep(2000);
    }
    return true;
}

}  // namespace smmu::test
