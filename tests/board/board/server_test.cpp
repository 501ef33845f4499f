// SPDX-License-Identifier: Apache-2.0
// The board's server over a machine of plain memory: order, claims, taps and hostile clients.
#include <gtest/gtest.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <map>
#include <mutex>
#include <thread>

#include "board/server.hpp"
#include "link/client.hpp"

namespace smmu::board {
namespace {

using link::Client;
using link::Fate;
using link::Operation;
using namespace std::chrono_literals;

constexpr PhysRange tapped{{0x1000}, {0x1fff}};

// Every address holds what was last written to it; writes are remembered in order.
class MemoryMachine final : public Machine {
public:
    MemoryMachine() : ram_(memfd_create("ram", MFD_CLOEXEC)) { description_.name = "memory"; }
    const link::MachineDescription& description() const override { return description_; }
    std::span<const link::FirmwareTable> firmware_tables() const override { return {}; }
    int ram() const override { return ram_.get(); }
    Result<void> perform(std::span<const Operation> operations,
                         std::span<std::uint64_t> values) override {
        const std::lock_guard lock(mutex_);
        std::size_t valued = 0;
        for (const Operation& operation : operations) {
            if (operation.reads())
                values[valued++] = words_[operation.address];
            else
                words_[operation.address] = operation.value;
            if (!operation.reads()) written_.push_back(operation.address);
        }
        return {};
    }
    // The machine answers nothing while this is held.
    std::unique_lock<std::mutex> busy() { return std::unique_lock(mutex_); }
    std::vector<std::uint64_t> written() {
        const std::lock_guard lock(mutex_);
        return written_;
    }

private:
    std::mutex mutex_;
    UniqueFd ram_;
    link::MachineDescription description_;
    std::map<std::uint64_t, std::uint64_t> words_;
    std::vector<std::uint64_t> written_;
};

class ServerTest : public testing::Test {
protected:
    void SetUp() override {
        std::string directory = std::filesystem::temp_directory_path() / "smmu-server-XXXXXX";
        ASSERT_NE(mkdtemp(directory.data()), nullptr);
        directory_ = directory;
        auto listener = link::PacketSocket::listen(path(), 16);
        ASSERT_TRUE(listener) << listener.error().text;
        server_.emplace(std::move(*listener), machine_, longest_stop());
        thread_ = std::thread([this] {
            const Server::Ending ending{end_.get(), EPOLLIN, "test over", false};
            ended_ = server_->run(std::span(&ending, 1));
        });
    }
    void TearDown() override {
        eventfd_write(end_.get(), 1);
        thread_.join();
        EXPECT_TRUE(ended_);
        std::filesystem::remove_all(directory_);
    }
    virtual Nanoseconds longest_stop() const { return link::max_stop; }
    std::string path() const { return directory_ + "/board.sock"; }
    std::unique_ptr<Client> connect(Nanoseconds patience = 20s) const {
        auto client = Client::connect(path(), patience);
        EXPECT_TRUE(client) << client.error().text;
        return std::move(*client);
    }
    static link::Stop next_stop(Client& tap) {
        const auto stop = tap.wait_for_stop(10s);
        EXPECT_TRUE(stop && *stop);
        return stop && *stop ? **stop : link::Stop{};
    }
    static bool stopped(Client& tap, Nanoseconds patience) {
        const auto stop = tap.wait_for_stop(patience);
        return stop && *stop;
    }

    std::string directory_;
    MemoryMachine machine_;
    UniqueFd end_{eventfd(0, EFD_CLOEXEC)};
    std::optional<Server> server_;
    Result<std::string> ended_;
    std::thread thread_;
};

const std::vector<Operation> three_writes = {
    Operation::write({0x1000}, 4, 1), Operation::write({0x5000}, 4, 2),
    Operation::write({0x1008}, 8, 3), Operation::read({0x1000}, 4)};

TEST_F(ServerTest, ClaimIsExclusiveAndEndsWithItsConnection) {
    auto first = connect();
    auto second = connect();
    EXPECT_TRUE(first->claim());
    EXPECT_TRUE(first->claim());
    const auto refused = second->claim();
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, EBUSY);
    EXPECT_TRUE(second->alive()) << "a refusal does not end the connection";
    first.reset();
    EXPECT_TRUE(second->claim());
}

TEST_F(ServerTest, TapIsToldOfEveryWriteOfOthers) {
    auto tap = connect();
    auto other_tap = connect();
    auto writer = connect();
    auto bystander = connect();
    ASSERT_TRUE(tap->tap(tapped));
    EXPECT_EQ(other_tap->tap(tapped).error().code, EBUSY);
    std::uint64_t value = 0;
    std::thread writing([&] { EXPECT_TRUE(writer->perform(three_writes, {&value, 1})); });
    const link::Stop first = next_stop(*tap);
    EXPECT_EQ(first.address.value, 0x1000u);
    EXPECT_EQ(first.value, 1u);
    EXPECT_EQ(first.bytes, 4u);
    EXPECT_EQ(first.writer, std::uint32_t(getpid()));
    EXPECT_EQ(machine_.written(), (std::vector<std::uint64_t>{0x1000}));
    // Others wait with their accesses, but not with what touches no register.
    std::atomic<bool> bystander_done = false;
    std::thread reading([&] {
        bystander->read({0x5000}, 4);
        bystander_done = true;
    });
    tap->write({0x1010}, 4, 9);
    EXPECT_EQ(tap->read({0x1010}, 4), 9u);
    EXPECT_TRUE(connect()->ram());
    EXPECT_FALSE(bystander_done);
    ASSERT_TRUE(tap->resume(first));
    const link::Stop second = next_stop(*tap);
    EXPECT_EQ(second.address.value, 0x1008u);
    EXPECT_EQ(second.sequence, first.sequence + 1);
    EXPECT_EQ(tap->resume(first).error().code, ESTALE);
    ASSERT_TRUE(tap->resume(second));
    writing.join();
    reading.join();
    EXPECT_EQ(value, 1u);
    EXPECT_EQ(machine_.written(), (std::vector<std::uint64_t>{0x1000, 0x1010, 0x5000, 0x1008}));
    writer->write({0x5000}, 4, 1);
    EXPECT_FALSE(stopped(*tap, 50ms)) << "outside the range";
    tap->write({0x1000}, 4, 1);
    EXPECT_FALSE(stopped(*tap, 50ms)) << "its own write";
}

TEST_F(ServerTest, WritersWaitForOneAnother) {
    auto tap = connect();
    ASSERT_TRUE(tap->tap(tapped));
    constexpr unsigned writers = 3;
    constexpr unsigned writes = 20;
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < writers; ++i)
        threads.emplace_back([&] {
            auto writer = connect();
            for (unsigned k = 0; k < writes; ++k) writer->write({0x1000}, 4, k);
        });
    for (unsigned i = 1; i <= writers * writes; ++i) {
        const link::Stop stop = next_stop(*tap);
        EXPECT_EQ(stop.sequence, i);
        EXPECT_EQ(machine_.written().size(), i);
        ASSERT_TRUE(tap->resume(stop));
    }
    for (std::thread& thread : threads) thread.join();
}

TEST_F(ServerTest, CutOffWriterDoesNothingMore) {
    auto tap = connect();
    auto writer = connect();
    ASSERT_TRUE(tap->tap(tapped));
    std::uint64_t value = 0;
    bool performed = true;
    std::thread writing([&] { performed = writer->perform(three_writes, {&value, 1}); });
    ASSERT_TRUE(tap->resume(next_stop(*tap), Fate::cut_off));
    writing.join();
    EXPECT_FALSE(performed);
    EXPECT_EQ(value, ~std::uint64_t{0});
    EXPECT_FALSE(writer->alive());
    EXPECT_EQ(machine_.written(), (std::vector<std::uint64_t>{0x1000}));
    EXPECT_EQ(connect()->read({0x1000}, 4), 1u);
}

TEST_F(ServerTest, SuspendedWriterMayDie) {
    auto tap = connect();
    ASSERT_TRUE(tap->tap(tapped));
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        auto writer = Client::connect(path());
        std::uint64_t value = 0;
        if (writer && (*writer)->claim()) (*writer)->perform(three_writes, {&value, 1});
        _exit(0);
    }
    const link::Stop stop = next_stop(*tap);
    EXPECT_EQ(stop.writer, std::uint32_t(child));
    kill(child, SIGKILL);
    ASSERT_EQ(waitpid(child, nullptr, 0), child);
    ASSERT_TRUE(tap->resume(stop));
    auto next = connect();
    EXPECT_EQ(next->read({0x1000}, 4), 1u);
    EXPECT_TRUE(next->claim()) << "the dead one's claim is free";
    EXPECT_EQ(machine_.written(), (std::vector<std::uint64_t>{0x1000}))
        << "nothing after its death";
}

// The board hears of the death and of the resume at once, the resume first.
TEST_F(ServerTest, DeathCountsThoughTheResumeIsSeenFirst) {
    auto tap = link::PacketSocket::connect(path(), 5s);
    ASSERT_TRUE(tap);
    const auto ask = [&](const link::Packet& packet) { EXPECT_TRUE(tap->send(packet, 5s)); };
    const auto hear = [&] { EXPECT_TRUE(tap->receive(10s)); };
    ask(link::encode_tap(tapped));
    hear();
    auto writer = link::PacketSocket::connect(path(), 5s);
    ASSERT_TRUE(writer);
    ASSERT_TRUE(writer->send(link::encode_operate(three_writes), 5s));
    hear();  // the stop
    {
        const auto busy = machine_.busy();
        ask(link::encode_operate(std::vector(1, Operation::read({0x2000}, 4))));
        std::this_thread::sleep_for(50ms);  // the server is at it now
        *writer = link::PacketSocket(UniqueFd());
        ask(link::encode_resume(1, Fate::go_on));
    }
    hear();
    hear();
    EXPECT_EQ(connect()->read({0x1000}, 4), 1u);
    EXPECT_EQ(machine_.written(), (std::vector<std::uint64_t>{0x1000}));
}

TEST_F(ServerTest, ClosedTapLetsGo) {
    auto tap = connect();
    auto writer = connect();
    ASSERT_TRUE(tap->tap(tapped));
    std::uint64_t value = 0;
    std::thread writing([&] { EXPECT_TRUE(writer->perform(three_writes, {&value, 1})); });
    next_stop(*tap);
    tap.reset();
    writing.join();
    EXPECT_EQ(machine_.written().size(), 3u);
    EXPECT_TRUE(connect()->tap(tapped)) << "the place is free";
}

class ImpatientServerTest : public ServerTest {
    Nanoseconds longest_stop() const override { return 200ms; }
};

TEST_F(ImpatientServerTest, ForgetfulTapLosesItsPlace) {
    auto tap = connect();
    auto writer = connect();
    ASSERT_TRUE(tap->tap(tapped));
    const auto began = std::chrono::steady_clock::now();
    std::uint64_t value = 0;
    EXPECT_TRUE(writer->perform(three_writes, {&value, 1}));
    const auto took = std::chrono::steady_clock::now() - began;
    EXPECT_GE(took, 200ms);
    EXPECT_LT(took, link::max_stop);
    EXPECT_FALSE(tap->alive());
}

TEST_F(ServerTest, HostilePacketsAreAnsweredAndTheConnectionCloses) {
    auto witness = connect();
    link::Packet many =
        link::encode_operate(std::vector(link::max_operations, Operation::read({0}, 4)));
    many.resize(many.size() + sizeof(link::WireOperation));
    link::Packet unknown = link::encode_request(link::Kind::claim);
    unknown[0] = std::byte{99};
    for (const link::Packet& packet :
         {link::Packet(3), many, unknown, link::Packet(5000, std::byte{0xff})}) {
        auto hostile = link::PacketSocket::connect(path(), 5s);
        ASSERT_TRUE(hostile);
        ASSERT_TRUE(hostile->send(packet, 5s));
        const auto answer = hostile->receive(5s);
        ASSERT_TRUE(answer) << answer.error().text;
        EXPECT_NE(link::decode_header(answer->packet)->status, 0);
        EXPECT_EQ(hostile->receive(5s).error().code, ECONNRESET);
        EXPECT_EQ(witness->read({0x1000}, 4), 0u);
    }
}

TEST_F(ServerTest, ClientThatTakesNoAnswersIsClosed) {
    auto witness = connect();
    auto greedy = link::PacketSocket::connect(path(), 5s);
    ASSERT_TRUE(greedy);
    const link::Packet packet =
        link::encode_operate(std::vector(link::max_operations, Operation::read({0x1000}, 4)));
    bool is_closed = false;
    for (int i = 0; i < 1000 && !is_closed; ++i) is_closed = !greedy->send(packet, 5s);
    EXPECT_TRUE(is_closed);
    EXPECT_EQ(witness->read({0x1000}, 4), 0u);
}

TEST_F(ServerTest, ConnectionsAreBounded) {
    std::vector<std::unique_ptr<Client>> clients;
    for (std::size_t i = 0; i < Server::max_connections; ++i) clients.push_back(connect());
    const auto surplus = Client::connect(path(), 5s);
    ASSERT_FALSE(surplus);
    EXPECT_EQ(surplus.error().code, EMFILE);
    EXPECT_EQ(clients.front()->read({0x1000}, 4), 0u);
    clients.clear();
    EXPECT_TRUE(connect()->alive());
}

TEST_F(ServerTest, SecondListenerIsRefused) {
    EXPECT_EQ(link::PacketSocket::listen(path(), 1).error().code, EADDRINUSE);
    EXPECT_TRUE(connect()->alive());
}

}  // namespace
}  // namespace smmu::board
