// SPDX-License-Identifier: Apache-2.0
// smmu-board with the real QEMU: what clients, tests and the service rely on.
#include <gtest/gtest.h>

#include <thread>

#include "platform/board/board_platform.hpp"
#include "tests/board/board_fixture.hpp"

namespace smmu {
namespace {

using link::Operation;

// One board for all tests that leave it as they found it.
class Board : public testing::Test {
protected:
    static void SetUpTestSuite() {
        auto board = test::BoardProcess::start("q35-vtd");
        ASSERT_TRUE(board) << board.error().text;
        board_ = std::move(*board);
        std::printf("%s", board_->ready_line().c_str());
    }
    static void TearDownTestSuite() { board_.reset(); }
    void SetUp() override {
        ASSERT_NE(board_, nullptr);
        client_ = connect();
        ASSERT_NE(client_, nullptr);
    }
    static std::unique_ptr<link::Client> connect() {
        auto client = board_->connect();
        EXPECT_TRUE(client) << client.error().text;
        return client ? std::move(*client) : nullptr;
    }

    static inline std::unique_ptr<test::BoardProcess> board_;
    std::unique_ptr<link::Client> client_;
};

TEST_F(Board, SaysWhatItIs) {
    const link::MachineDescription& machine = client_->machine();
    EXPECT_EQ(machine.name, "q35-vtd");
    EXPECT_EQ(machine.ram, (std::vector<link::RamRange>{{{0}, test::q35::ram_bytes, 0}}));
    EXPECT_EQ(machine.log_path, board_->log());
    EXPECT_NE(machine.boot_identity, (std::array<std::uint8_t, 16>{}));
    EXPECT_EQ(connect()->machine().boot_identity, machine.boot_identity);
    EXPECT_TRUE(client_->alive());
}

TEST_F(Board, DevicesAreWhereTheFixtureSays) {
    const auto identity = [&](test::Function f) {
        return client_->read(
            test::q35::ecam + (std::uint64_t{f.bus} << 20 | std::uint64_t{f.devfn()} << 12), 4);
    };
    EXPECT_EQ(identity(test::q35::host_bridge), 0x29c08086u);
    for (const auto edu : {test::q35::edu_a, test::q35::edu_b, test::q35::edu_behind_port,
                           test::q35::edu_behind_bridge_a, test::q35::edu_behind_bridge_b}) {
        EXPECT_EQ(identity(edu), test::Edu::identity);
        EXPECT_TRUE(test::Edu(*client_, edu).present());
    }
    EXPECT_EQ(identity(test::q35::root_port), 0x000c1b36u);
    EXPECT_EQ(identity(test::q35::pci_bridge), 0x000e1b36u);
    EXPECT_EQ(identity(test::q35::nvme), 0x00101b36u);
    EXPECT_EQ(identity({9, 9}), 0xffffffffu);
}

TEST_F(Board, UnitHasItsRegisters) {
    EXPECT_EQ(client_->read(test::q35::vtd_registers.first + 8, 8), 0x00d2008c222f0606u);
    EXPECT_EQ(client_->read(test::q35::vtd_registers.first + 0x10, 8), 0xf00f4au);
}

TEST_F(Board, EveryDeviceMovesBytesThroughSharedRam) {
    auto ram = test::Ram::map(*client_);
    ASSERT_TRUE(ram) << ram.error().text;
    std::uint64_t value = 0x1122334455667788;
    for (const auto function : {test::q35::edu_a, test::q35::edu_b, test::q35::edu_behind_port,
                                test::q35::edu_behind_bridge_a, test::q35::edu_behind_bridge_b}) {
        test::Edu edu(*client_, function);
        edu.bus_master(true);
        ram->store<std::uint64_t>({0x200000}, ++value);
        ram->store<std::uint64_t>({0x300000}, 0);
        EXPECT_TRUE(edu.dma_in({0x200000}, 8));
        EXPECT_TRUE(edu.dma_out({0x300000}, 8));
        EXPECT_EQ(ram->load<std::uint64_t>({0x300000}), value);
        edu.bus_master(false);
        ram->store<std::uint64_t>({0x300000}, 0);
        EXPECT_TRUE(edu.dma_out({0x300000}, 8));
        EXPECT_EQ(ram->load<std::uint64_t>({0x300000}), 0u) << "not a bus master";
    }
}

TEST_F(Board, TwoMappingsSeeEachOther) {
    auto one = test::Ram::map(*client_);
    const auto second_client = connect();
    auto other = test::Ram::map(*second_client);
    ASSERT_TRUE(one && other);
    one->store<std::uint32_t>({0x400000}, 0xabcd1234);
    EXPECT_EQ(other->load<std::uint32_t>({0x400000}), 0xabcd1234u);
    // Nobody can make the board's RAM shorter under the others.
    auto file = client_->ram();
    ASSERT_TRUE(file);
    EXPECT_NE(ftruncate(file->get(), 4096), 0);
}

TEST_F(Board, FirmwareTablesAreFound) {
    const auto tables = client_->firmware_tables();
    ASSERT_TRUE(tables) << tables.error().text;
    for (const char* const name : {"DMAR", "MCFG", "FACP", "APIC"}) {
        const auto found =
            std::find_if(tables->begin(), tables->end(),
                         [&](const link::FirmwareTable& t) { return t.name == name; });
        ASSERT_NE(found, tables->end()) << name;
        unsigned sum = 0;
        for (const std::byte byte : found->bytes) sum += std::to_integer<unsigned>(byte);
        EXPECT_EQ(sum % 256, 0u) << name;
        EXPECT_NE(found->address, 0u);
    }
}

TEST_F(Board, ManyOperationsAndManyPackets) {
    std::vector<Operation> operations;
    for (unsigned devfn = 0; devfn < 256; ++devfn)
        for (unsigned repeat = 0; repeat < 12; ++repeat)
            operations.push_back(
                Operation::read(test::q35::ecam + (std::uint64_t{devfn} << 12), 4));
    std::vector<std::uint64_t> values(operations.size());
    ASSERT_TRUE(client_->perform(operations, values));
    for (std::size_t i = 0; i < values.size(); ++i)
        EXPECT_EQ(values[i] == test::Edu::identity, i / 12 == 24 || i / 12 == 32) << i;
}

TEST_F(Board, WidthsAndPorts) {
    const PhysAddr edu = test::Edu(*client_, test::q35::edu_a).registers().first;
    client_->write(edu + 4, 4, 0x0f0f0f0f);  // edu's liveness register inverts
    EXPECT_EQ(client_->read(edu + 4, 4), 0xf0f0f0f0u);
    const PhysAddr config = test::q35::ecam + (std::uint64_t{3} << 15);
    EXPECT_EQ(client_->read(config, 1), 0x34u);
    EXPECT_EQ(client_->read(config, 2), 0x1234u);
    client_->port_out(0xcf8, 4, 0x80001800);
    EXPECT_EQ(client_->port_in(0xcf8, 4), 0x80001800u);
    EXPECT_EQ(client_->port_in(0xcfc, 2), 0x1234u);
    EXPECT_EQ(client_->port_in(0xcfd, 1), 0x12u);
}

TEST_F(Board, ClientsDoNotMixTheirAnswers) {
    constexpr int rounds = 300;
    const auto use = [&](test::Function function, std::uint64_t expected) {
        const auto client = connect();
        for (int i = 0; i < rounds; ++i) {
            const auto value =
                client->read(test::q35::ecam + (std::uint64_t{function.devfn()} << 12), 4);
            ASSERT_EQ(value, expected) << i;
        }
    };
    std::vector<std::thread> threads;
    threads.emplace_back(use, test::q35::edu_a, test::Edu::identity);
    threads.emplace_back(use, test::q35::host_bridge, 0x29c08086);
    threads.emplace_back(use, test::q35::nvme, 0x00101b36);
    for (std::thread& thread : threads) thread.join();
}

TEST_F(Board, KilledClientsDoNotDisturb) {
    for (int round = 0; round < 20; ++round) {
        const pid_t child = fork();
        ASSERT_GE(child, 0);
        if (child == 0) {
            auto client = link::Client::connect(board_->socket());
            if (!client) _exit(1);
            const std::vector<Operation> many(1000, Operation::read(test::q35::ecam, 4));
            std::vector<std::uint64_t> values(many.size());
            for (;;) (*client)->perform(many, values);
        }
        usleep(static_cast<useconds_t>(2000 + 700 * round));
        kill(child, SIGKILL);
        int status = 0;
        ASSERT_EQ(waitpid(child, &status, 0), child);
        ASSERT_TRUE(WIFSIGNALED(status));
        ASSERT_EQ(client_->read(test::q35::ecam, 4), 0x29c08086u) << round;
    }
}

TEST_F(Board, SpeedIsMeasured) {
    constexpr int rounds = 500;
    auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < rounds; ++i) client_->read(test::q35::vtd_registers.first, 4);
    const auto single = std::chrono::steady_clock::now() - begin;
    const std::vector<Operation> many(1000, Operation::read(test::q35::vtd_registers.first, 4));
    std::vector<std::uint64_t> values(many.size());
    begin = std::chrono::steady_clock::now();
    ASSERT_TRUE(client_->perform(many, values));
    const auto batch = std::chrono::steady_clock::now() - begin;
    test::Edu edu(*client_, test::q35::edu_a);
    edu.bus_master(true);
    begin = std::chrono::steady_clock::now();
    for (int i = 0; i < 100; ++i) ASSERT_TRUE(edu.dma_in({0x200000}, 64));
    const auto dma = std::chrono::steady_clock::now() - begin;
    const auto us = [](auto duration, int count) {
        return double(duration / Nanoseconds(1)) / 1e3 / count;
    };
    std::printf("one read %.1f us, in a batch %.1f us, edu DMA %.1f us\n", us(single, rounds),
                us(batch, 1000), us(dma, 100));
}

TEST_F(Board, SleepsWhenNobodyAsks) {
    const unsigned long before = test::ticks_of(board_->pid()) + test::ticks_of(board_->qemu_pid());
    sleep(1);
    const unsigned long after = test::ticks_of(board_->pid()) + test::ticks_of(board_->qemu_pid());
    EXPECT_LE(after - before, 3u) << "of 100 ticks";
}

TEST_F(Board, OnePlatformAtATimeHasTableMemory) {
    auto first = platform::board::open(board_->socket());
    auto second = platform::board::open(board_->socket());
    ASSERT_TRUE(first && second);
    EXPECT_EQ((*first)->name(), "board q35-vtd");
    const auto memory = (*first)->table_memory(std::nullopt, 16 << 20);
    ASSERT_TRUE(memory) << memory.error().text;
    EXPECT_EQ(memory->range.first.value, 128u << 20);
    EXPECT_EQ(memory->bytes.size(), 16u << 20);
    const auto refused = (*second)->table_memory(std::nullopt, 16 << 20);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, EBUSY);
    EXPECT_NE(refused.error().text.find(std::to_string(getpid())), std::string::npos)
        << refused.error().text;
    memory->bytes[0] = std::byte{0x5a};
    first->reset();
    const auto again = (*second)->table_memory(std::nullopt, 16 << 20);
    ASSERT_TRUE(again) << again.error().text;
    EXPECT_EQ(again->range, memory->range);
    EXPECT_EQ(again->bytes[0], std::byte{0x5a});
}

TEST_F(Board, TableMemoryStaysInRamAndOffFirmware) {
    auto platform = platform::board::open(board_->socket());
    ASSERT_TRUE(platform);
    const PhysRange wanted{{0x8400000}, {0x85fffff}};
    const auto memory = (*platform)->table_memory(wanted, 0);
    ASSERT_TRUE(memory) << memory.error().text;
    EXPECT_EQ(memory->range, wanted);
    const PhysRange outside{{0xff00000}, {0x100fffff}};
    EXPECT_EQ((*platform)->table_memory(outside, 0).error().code, EINVAL);
    EXPECT_EQ((*platform)->table_memory(std::nullopt, 128 << 20).error().code, ENOMEM);
    ASSERT_TRUE((*platform)->table_memory(std::nullopt, 126 << 20));
}

TEST_F(Board, PlatformPinsOnlyBoardRam) {
    auto platform = platform::board::open(board_->socket());
    ASSERT_TRUE(platform);
    auto pinned = (*platform)->pin(*client_->ram(), 0x200000, 0x3000);
    ASSERT_TRUE(pinned) << pinned.error().text;
    ASSERT_EQ((*pinned)->extents().size(), 1u);
    EXPECT_EQ((*pinned)->extents().front(), (PhysRange{{0x200000}, {0x202fff}}));
    EXPECT_EQ((*platform)->pin(*client_->ram(), test::q35::ram_bytes - 0x1000, 0x2000).error().code,
              EINVAL);
    EXPECT_EQ((*platform)->pin(*client_->ram(), 0, 0).error().code, EINVAL);
    EXPECT_EQ((*platform)->pin(*client_->ram(), 0x1000, ~std::uint64_t{0}).error().code, EINVAL);
    UniqueFd other(memfd_create("other", MFD_CLOEXEC));
    EXPECT_EQ((*platform)->pin(std::move(other), 0, 4096).error().code, EINVAL);
    EXPECT_EQ((*platform)->pin(UniqueFd(), 0, 4096).error().code, EINVAL);
}

TEST_F(Board, PlatformReachesRegistersAndConfiguration) {
    auto platform = platform::board::open(board_->socket());
    ASSERT_TRUE(platform);
    auto unit = (*platform)->registers(test::q35::vtd_registers);
    ASSERT_TRUE(unit);
    EXPECT_EQ((*unit)->read64(8), 0x00d2008c222f0606u);
    EXPECT_EQ((*platform)->registers({{0x1000}, {0x1fff}}).error().code, ENXIO);
    const platform::EcamWindow window{test::q35::ecam.value, 0, 0, 255};
    auto by_window = (*platform)->pci_config(std::span(&window, 1));
    auto by_port = (*platform)->pci_config({});
    ASSERT_TRUE(by_window && by_port);
    std::vector<platform::PciFunction> functions;
    for (unsigned devfn = 0; devfn < 256; ++devfn)
        functions.push_back({0, 0, static_cast<std::uint8_t>(devfn)});
    std::vector<std::uint32_t> window_values(256);
    std::vector<std::uint32_t> port_values(256);
    (*by_window)->read(functions, 0, window_values);
    (*by_port)->read(functions, 0, port_values);
    EXPECT_EQ(window_values, port_values);
    EXPECT_EQ(window_values[test::q35::edu_a.devfn()], test::Edu::identity);
    const platform::PciFunction edu{0, 0, test::q35::edu_b.devfn()};
    for (auto* const config : {by_window->get(), by_port->get()}) {
        config->write(edu, 0x3c, 1, 0x5);
        EXPECT_EQ(config->read32(edu, 0x3c) & 0xff, 0x5u);
        config->write(edu, 4, 2, 0x2);
        EXPECT_EQ(config->read32(edu, 4) & 0xffff, 0x2u);
        std::array<std::uint32_t, 3> several{};
        config->read(edu, 0, several);
        EXPECT_EQ(several[0], test::Edu::identity);
        config->write(edu, 0x3c, 1, 0);
    }
    EXPECT_EQ((*by_port)->read32(edu, 0x100), 0xffffffffu);
    EXPECT_EQ((*by_window)->read32({1, 0, 0}, 0), 0xffffffffu);
    EXPECT_EQ((*platform)->firmware_tables()->empty(), false);
}

TEST_F(Board, DeviceCanActAtEveryWriteOfAnother) {
    auto ram = test::Ram::map(*client_);
    ASSERT_TRUE(ram);
    const auto tap = connect();
    ASSERT_TRUE(tap->tap(test::q35::vtd_registers));
    test::Edu edu(*tap, test::q35::edu_a);
    edu.bus_master(true);
    ram->store<std::uint32_t>({0x200000}, 0x600d);
    // Fault event data and address registers: without effect while nothing faults.
    std::thread driver([&] {
        client_->write(test::q35::vtd_registers.first + 0x3c, 4, 0x41);
        client_->write(test::q35::vtd_registers.first + 0x40, 4, 0xfee00000);
    });
    for (const std::uint64_t expected : {0xfed9003cu, 0xfed90040u}) {
        const auto stop = tap->wait_for_stop(std::chrono::seconds(10));
        ASSERT_TRUE(stop && *stop);
        EXPECT_EQ((*stop)->address.value, expected);
        ram->store<std::uint32_t>({0x300000}, 0);
        EXPECT_TRUE(edu.dma_in({0x200000}, 4) && edu.dma_out({0x300000}, 4));
        EXPECT_EQ(ram->load<std::uint32_t>({0x300000}), 0x600du);
        EXPECT_EQ(tap->read((*stop)->address, 4), (*stop)->value);
        ASSERT_TRUE(tap->resume(**stop));
    }
    driver.join();
}

TEST_F(Board, HostilePacketsEndOnlyTheirConnection) {
    auto hostile = link::PacketSocket::connect(board_->socket(), std::chrono::seconds(5));
    ASSERT_TRUE(hostile);
    link::Packet packet = link::encode_operate(std::vector(3, Operation::read({0x1000}, 4)));
    packet.pop_back();
    ASSERT_TRUE(hostile->send(packet, std::chrono::seconds(5)));
    const auto answer = hostile->receive(std::chrono::seconds(5));
    ASSERT_TRUE(answer) << answer.error().text;
    EXPECT_EQ(link::decode_header(answer->packet)->status, EPROTO);
    EXPECT_EQ(hostile->receive(std::chrono::seconds(5)).error().code, ECONNRESET);
    EXPECT_EQ(client_->read(test::q35::ecam, 4), 0x29c08086u);
}

TEST(BoardLife, EndsWithItsLifetimeDescriptor) {
    auto board = test::BoardProcess::start("q35-vtd");
    ASSERT_TRUE(board) << board.error().text;
    auto client = (*board)->connect();
    ASSERT_TRUE(client);
    const pid_t qemu = (*board)->qemu_pid();
    (*board)->close_lifetime();
    EXPECT_EQ((*board)->wait_for_end(std::chrono::seconds(10)), 0);
    EXPECT_NE(kill(qemu, 0), 0) << "QEMU lives on";
    EXPECT_FALSE((*client)->alive());
    EXPECT_EQ((*client)->read(test::q35::ecam, 4), 0xffffffffu);
    EXPECT_EQ((*client)->read(test::q35::ecam, 8), ~std::uint64_t{0});
    (*client)->write(test::q35::ecam, 4, 1);
    EXPECT_EQ((*board)->connect().error().code, ENXIO);
    EXPECT_EQ(platform::board::open((*board)->socket()).error().code, ENXIO);
}

TEST(BoardLife, EndsWhenQemuDiesAndSaysSo) {
    auto board = test::BoardProcess::start("q35-vtd");
    ASSERT_TRUE(board) << board.error().text;
    kill((*board)->qemu_pid(), SIGKILL);
    EXPECT_EQ((*board)->wait_for_end(std::chrono::seconds(10)), 1);
    EXPECT_NE(test::contents((*board)->errors()).find("QEMU"), std::string::npos);
}

TEST(BoardLife, QemuDiesWithTheBoard) {
    auto board = test::BoardProcess::start("q35-vtd");
    ASSERT_TRUE(board) << board.error().text;
    const pid_t qemu = (*board)->qemu_pid();
    kill((*board)->pid(), SIGKILL);
    EXPECT_EQ((*board)->wait_for_end(std::chrono::seconds(10)), 128 + SIGKILL);
    // It is nobody's child now, or a zombie of a container's first process: state Z counts as dead.
    bool is_gone = false;
    for (int i = 0; i < 500 && !is_gone; ++i) {
        const std::string stat = test::contents(fmt::format("/proc/{}/stat", qemu));
        is_gone = stat.empty() || stat[stat.rfind(')') + 2] == 'Z';
        usleep(10000);
    }
    EXPECT_TRUE(is_gone);
}

TEST(BoardLife, EndsOnRequestAndOnSignal) {
    auto board = test::BoardProcess::start(
        "q35-vtd-39", {"--replace-table=DMAR=hex:444d4152", "--replace-table=WAET=hex:"});
    ASSERT_TRUE(board) << board.error().text;
    auto client = (*board)->connect();
    ASSERT_TRUE(client);
    const auto tables = (*client)->firmware_tables();
    ASSERT_TRUE(tables);
    int replaced = 0;
    for (const link::FirmwareTable& table : *tables) {
        EXPECT_NE(table.name, "WAET");
        if (table.name != "DMAR") continue;
        ++replaced;
        EXPECT_EQ(table.bytes.size(), 4u);
        EXPECT_EQ(table.address, 0u);
    }
    EXPECT_EQ(replaced, 1);
    EXPECT_TRUE((*client)->shut_down());
    EXPECT_EQ((*board)->wait_for_end(std::chrono::seconds(10)), 0);

    auto other = test::BoardProcess::start("q35-vtd-cm");
    ASSERT_TRUE(other) << other.error().text;
    EXPECT_NE((*(*other)->connect())->read(test::q35::vtd_registers.first + 8, 8) & 0x80, 0u)
        << "CAP.CM";
    kill((*other)->pid(), SIGTERM);
    EXPECT_EQ((*other)->wait_for_end(std::chrono::seconds(10)), 0);
}

TEST(BoardLife, RefusesWhatItCannotRun) {
    EXPECT_NE(test::BoardProcess::start("no-such-board").error().text.find("no-such-board"),
              std::string::npos);
    EXPECT_FALSE(test::BoardProcess::start("q35-vtd", {"--replace-table=DMAR"}));
    EXPECT_FALSE(test::BoardProcess::start("q35-vtd", {"--lifetime-fd=999"}));
}

}  // namespace
}  // namespace smmu
