// SPDX-License-Identifier: Apache-2.0
// MachineRoom: a board with devices that are ready to do DMA, its memory, and a service on it: what
// the end-to-end tests share.
//
// Each device holds `own_byte` in the upper half of its memory from before the service was there,
// so that it can write without having been allowed to read. The lower half is for copies.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/e2e/client_process.hpp"

namespace smmu::test {

inline constexpr std::uint64_t page = 0x1000;
inline constexpr std::uint64_t memory_offset = 0x200'0000;  // free for tests: 32 MiB to 96 MiB of RAM
inline constexpr std::uint64_t memory_base = memory_offset;  // on boards whose RAM begins at 0
inline constexpr unsigned rw = SMF_READ | SMF_WRITE;

class MachineRoom {
public:
    static constexpr std::uint8_t own_byte = 0x5a;
    static constexpr std::uint64_t own_offset = 2048;
    static constexpr std::uint64_t few = 16;  // bytes of a write

    static Result<std::unique_ptr<MachineRoom>> open(const std::string& board_name = "q35-vtd",
                                                     const std::vector<std::string>& options = {},
                                                     const std::string& program = "smmu-board") {
        auto room = std::make_unique<MachineRoom>();
        SMMU_TRY(room->board_, BoardProcess::start(board_name, options, program));
        SMMU_TRY(room->link_, room->board_->connect());
        SMMU_TRY(Ram ram, Ram::map(*room->link_));
        room->ram_.emplace(std::move(ram));
        SMMU_TRY(room->ram_file_, room->link_->ram());
        for (const Function function : {q35::edu_a, q35::edu_b, q35::edu_behind_port,
                                        q35::edu_behind_bridge_a, q35::edu_behind_bridge_b}) {
            auto edu = std::make_unique<Edu>(*room->link_, function);
            if (!edu->present()) return fail(ENODEV, "an edu does not answer");
            edu->bus_master(true);
            room->edus_.push_back(std::move(edu));
        }
        room->arm();
        return room;
    }

    // Puts own_byte into the devices: while no unit translates.
    void arm() {
        ram_->fill({memory()}, page, own_byte);
        for (const auto& edu : edus_) EXPECT_TRUE(edu->dma_in({memory()}, page));
        ram_->fill({memory()}, page, 0);
    }

    // The boards of those kinds, also those that come later.
    static std::vector<std::string> boards(const std::vector<std::string>& kinds = {"q35-vtd", "virt-smmuv3"}) {
        std::vector<std::string> names;
        for (const auto& file : std::filesystem::directory_iterator(SMMU_SOURCE_DIR "/boards/qemu")) {
            const std::string name = file.path().stem();
            const bool has_kind = std::ranges::any_of(kinds, [&](const std::string& kind) { return name.starts_with(kind); });
            if (has_kind && !name.ends_with("-dt")) names.push_back(name);
        }
        std::ranges::sort(names);
        return names;
    }

    // Where memory that is free for tests begins.
    std::uint64_t memory() const { return link_->machine().ram.front().base.value + memory_offset; }
    // The word of the configuration for the board's kind of unit.
    std::string unit_kind() const { return memory() == memory_base ? "vtd" : "armsmmuv3"; }

    // Without words: nothing but the board's kind of unit.
    Result<void> start_service(const std::vector<std::string>& words = {}) {
        const std::vector<std::string> kind_alone{"smmu", unit_kind()};
        SMMU_TRY(Service started, Service::start(*board_, words.empty() ? kind_alone : words));
        service_.emplace(std::move(started));
        return {};
    }
    Service& service() { return *service_; }
    BoardProcess& board() { return *board_; }
    link::Client& link() { return *link_; }
    Ram& ram() { return *ram_; }
    int ram_file() const { return ram_file_.get(); }
    report::Status status() const { return Service::status(*board_); }

    Edu& edu(Function function) {
        for (const auto& edu : edus_)
            if (edu->function().stream() == function.stream()) return *edu;
        abort();
    }
    Edu& a() { return edu(q35::edu_a); }
    Edu& b() { return edu(q35::edu_b); }

    // Whether what the device writes at `to` arrives at `memory`.
    bool writes(Edu& device, std::uint64_t to, std::uint64_t memory) {
        ram_->fill({memory}, few, 0);
        device.bus_master(true);
        EXPECT_TRUE(device.dma_out({to}, few, own_offset));
        return all(memory, few, own_byte);
    }
    bool writes(Edu& device, std::uint64_t to) { return writes(device, to, to); }
    // Fires and looks at nothing.
    void stray(Edu& device, std::uint64_t to) {
        device.bus_master(true);
        EXPECT_TRUE(device.dma_out({to}, few, own_offset));
    }
    // Whether 64 fresh bytes go from `from` (memory `source`) through the device to `to` (memory
    // `sink`).
    bool copies(Edu& device, std::uint64_t from, std::uint64_t source, std::uint64_t to,
                std::uint64_t sink) {
        constexpr std::uint64_t bytes = 64;
        static std::uint8_t number;
        ++number;
        for (std::uint64_t i = 0; i < bytes; ++i)
            ram_->store<std::uint8_t>({source + i}, std::uint8_t(number + 7 * i));
        ram_->fill({sink}, bytes, 0);
        device.bus_master(true);
        EXPECT_TRUE(device.dma_in({from}, bytes));
        EXPECT_TRUE(device.dma_out({to}, bytes));
        return std::ranges::equal(ram_->at({source}, bytes), ram_->at({sink}, bytes));
    }
    bool copies(Edu& device, std::uint64_t from, std::uint64_t to) {
        return copies(device, from, from, to, to);
    }
    bool all(std::uint64_t memory, std::uint64_t bytes, std::uint8_t value) {
        return std::ranges::all_of(ram_->at({memory}, bytes),
                                   [&](std::byte byte) { return byte == std::byte{value}; });
    }

    ClientProcess client(uid_t user = 0) {
        return ClientProcess::start({.user = user, .ram = ram_file_.get()});
    }
    // A client that has called smmu_init.
    ClientProcess driver(uid_t user = 0) {
        ClientProcess process = client(user);
        const Answer answer = process.init();
        EXPECT_TRUE(answer.done()) << testing::PrintToString(answer);
        return process;
    }

private:
    std::unique_ptr<BoardProcess> board_;
    std::unique_ptr<link::Client> link_;
    std::optional<Ram> ram_;
    UniqueFd ram_file_;
    std::vector<std::unique_ptr<Edu>> edus_;
    std::optional<Service> service_;
};

// One board and service for all tests of a suite; a suite chooses the service's words by `words`.
template <class Suite>
class SharedRoom : public testing::Test {
public:
    static void SetUpTestSuite() {
        auto opened = MachineRoom::open("q35-vtd", Suite::board_options());
        ASSERT_TRUE(opened) << opened.error().text;
        room_ = std::move(*opened);
        const auto started = room_->start_service(Suite::words());
        ASSERT_TRUE(started) << started.error().text;
    }
    static void TearDownTestSuite() { room_.reset(); }
    static std::vector<std::string> words() { return {"smmu", "vtd"}; }
    static std::vector<std::string> board_options() { return {}; }

protected:
    void SetUp() override { ASSERT_TRUE(room_ && room_->service().alive()); }
    void TearDown() override { EXPECT_TRUE(room_->service().alive()) << room_->service().said(); }
    static MachineRoom& room() { return *room_; }

private:
    static inline std::unique_ptr<MachineRoom> room_;
};

// Waits until `condition` holds.
template <class Condition>
bool eventually(Condition condition, Nanoseconds time = patience) {
    const Instant deadline = std::chrono::steady_clock::now() + time;
    while (!condition()) {
        if (std::chrono::steady_clock::now() > deadline) return false;
        usleep(2000);
    }
    return true;
}

}  // namespace smmu::test
