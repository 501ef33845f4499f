// SPDX-License-Identifier: Apache-2.0
// Connections: whole packets, bounded descriptors, deadlines, and what the kernel says about the
// other side.
#include "protocol/connection.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "protocol/peer.hpp"

namespace smmu::protocol {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

class ConnectionTest : public testing::Test {
protected:
    void SetUp() override {
        int ends[2];
        ASSERT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
        left = Connection(UniqueFd(ends[0]));
        right = Connection(UniqueFd(ends[1]));
    }
    Connection left, right;
    Descriptors descriptors;
    std::vector<std::byte> buffer = std::vector<std::byte>(packet_limit);
    const Deadline soon = Deadline::after(milliseconds(2000));
};

bool is_open(int fd) {
    return fcntl(fd, F_GETFD) >= 0;
}

std::size_t count_open() {
    std::size_t open = 0;
    for (int fd = 0; fd < 256; ++fd) open += is_open(fd);
    return open;
}

TEST_F(ConnectionTest, CarriesPacketsAndDescriptors) {
    int ends[2];
    ASSERT_EQ(pipe2(ends, 0), 0);
    const UniqueFd reading(ends[0]), writing(ends[1]);
    const std::vector<std::byte> packet(100, std::byte{3});
    ASSERT_TRUE(left.send(packet, {&ends[1], 1}, soon));
    const auto received = right.receive(buffer, descriptors, soon);
    ASSERT_TRUE(received);
    EXPECT_TRUE(std::equal(received->begin(), received->end(), packet.begin(), packet.end()));
    ASSERT_EQ(descriptors.size(), 1u);
    EXPECT_EQ(fcntl(descriptors.get(0), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    ASSERT_EQ(write(descriptors.take(0).get(), "x", 1), 1);
    char got = 0;
    EXPECT_EQ(read(ends[0], &got, 1), 1);
    EXPECT_EQ(got, 'x');
}

TEST_F(ConnectionTest, SurplusDescriptorsAreClosed) {
    const std::size_t before = count_open();
    for (const std::size_t count :
         {descriptors_per_packet + 1, descriptors_per_packet + 9, std::size_t{100}}) {
        SCOPED_TRACE(count);
        std::vector<int> many(count, STDERR_FILENO);
        std::vector<std::byte> control(CMSG_SPACE(many.size() * sizeof(int)));
        std::byte one{};
        iovec part{&one, 1};
        msghdr message{};
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        message.msg_control = control.data();
        message.msg_controllen = control.size();
        cmsghdr* head = CMSG_FIRSTHDR(&message);
        head->cmsg_level = SOL_SOCKET;
        head->cmsg_type = SCM_RIGHTS;
        head->cmsg_len = CMSG_LEN(many.size() * sizeof(int));
        std::memcpy(CMSG_DATA(head), many.data(), many.size() * sizeof(int));
        ASSERT_EQ(sendmsg(left.fd(), &message, 0), 1);
        const auto received = right.receive(buffer, descriptors, soon);
        ASSERT_FALSE(received);
        EXPECT_EQ(received.error().code, EPROTO);
        EXPECT_EQ(descriptors.size(), 0u);
        EXPECT_EQ(count_open(), before);
    }
}

TEST_F(ConnectionTest, TooLongPacketIsRefused) {
    const std::vector<std::byte> packet(packet_limit + 1);
    ASSERT_EQ(::send(left.fd(), packet.data(), packet.size(), 0), ssize_t(packet.size()));
    EXPECT_EQ(right.receive(buffer, descriptors, soon).error().code, EPROTO);
}

TEST_F(ConnectionTest, WaitsNoLongerThanTheDeadline) {
    const auto start = steady_clock::now();
    EXPECT_EQ(right.receive(buffer, descriptors, Deadline::after(milliseconds(0))).error().code,
              EAGAIN);
    EXPECT_EQ(right.receive(buffer, descriptors, Deadline::after(milliseconds(30))).error().code,
              EAGAIN);
    const auto waited = steady_clock::now() - start;
    EXPECT_GE(waited, milliseconds(30));
    EXPECT_LT(waited, milliseconds(1000));
}

TEST_F(ConnectionTest, SenderDoesNotWaitForAStuckReader) {
    const std::vector<std::byte> packet(packet_limit);
    int code = 0;
    for (int i = 0; i < 10'000 && code == 0; ++i) {
        const auto sent = left.send(packet, {}, Deadline::after(milliseconds(0)));
        if (!sent) code = sent.error().code;
    }
    EXPECT_EQ(code, EAGAIN);
}

TEST_F(ConnectionTest, ClosedPeerIsToldApartFromSilence) {
    EXPECT_FALSE(left.peer_gone());
    right.close();
    EXPECT_TRUE(left.peer_gone());
    EXPECT_EQ(left.receive(buffer, descriptors, soon).error().code, ENOTCONN);
    EXPECT_EQ(left.send(buffer, {}, soon).error().code, ENOTCONN);
}

TEST_F(ConnectionTest, KernelNamesThePeer) {
    const auto peer = peer_of(left.fd());
    ASSERT_TRUE(peer);
    EXPECT_EQ(peer->pid, getpid());
    EXPECT_EQ(peer->uid, getuid());
    std::vector<gid_t> groups(groups_limit);
    const auto count = groups_of(left.fd(), groups);
    ASSERT_TRUE(count) << count.error().text.view();
    EXPECT_EQ(*count, std::size_t(getgroups(0, nullptr)));
}

TEST_F(ConnectionTest, ProcessDescriptorTellsOfTheEnd) {
    int ends[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    const UniqueFd one(ends[0]), other(ends[1]);
    int hold[2];
    ASSERT_EQ(pipe2(hold, O_CLOEXEC), 0);
    UniqueFd wait_end(hold[0]), go_end(hold[1]);
    const pid_t child = fork();
    if (child == 0) {
        go_end.reset();
        char byte = 0;
        _exit(read(wait_end.get(), &byte, 1) < 0 ? 1 : 0);
    }
    const auto process = process_of(-1, Peer{child, 0, 0});
    EXPECT_FALSE(process) << "not a socket";
    // Own sockets name this process; the child's descriptor is opened by number as on older
    // kernels.
    const auto own = process_of(one.get(), *peer_of(one.get()));
    ASSERT_TRUE(own);
    EXPECT_FALSE(wait_for(own->get(), POLLIN, Deadline::after(milliseconds(0))));
    go_end.reset();
    EXPECT_EQ(waitpid(child, nullptr, 0), child);
}

// A connection as a client has it, and the other end.
class Opened : public testing::Test {
protected:
    void SetUp() override {
        folder = testing::TempDir() + "smmu-connection-XXXXXX";
        ASSERT_NE(mkdtemp(folder.data()), nullptr);
        const std::string path = folder + "/socket";
        const UniqueFd listener(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        ASSERT_LT(path.size(), sizeof(address.sun_path));
        std::memcpy(address.sun_path, path.data(), path.size());
        ASSERT_EQ(bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
        ASSERT_EQ(listen(listener.get(), 1), 0);
        auto opened = Connection::open(path.c_str(), Deadline::after(milliseconds(5000)));
        ASSERT_TRUE(opened);
        client = std::move(*opened);
        service = Connection(UniqueFd(accept(listener.get(), nullptr, nullptr)));
        ASSERT_TRUE(service);
        unlink(path.c_str());
        rmdir(folder.c_str());
    }
    // Sends a packet when so much time has passed.
    std::jthread answering_after(milliseconds time) {
        return std::jthread([this, time] {
            std::this_thread::sleep_for(time);
            const std::array<std::byte, 4> packet{};
            EXPECT_TRUE(service.send(packet, {}, Deadline::after(milliseconds(0))));
        });
    }
    std::string folder;
    Connection client, service;
    Descriptors descriptors;
    std::vector<std::byte> buffer = std::vector<std::byte>(packet_limit);
};

TEST_F(Opened, ShortDeadlineIsKept) {
    std::jthread answer = answering_after(milliseconds(300));
    for (const auto time : {milliseconds(0), milliseconds(30)}) {
        const auto received = client.receive(buffer, descriptors, Deadline::after(time));
        ASSERT_FALSE(received) << "waited for the packet, " << time.count();
        EXPECT_EQ(received.error().code, EAGAIN);
    }
    answer.join();
    EXPECT_TRUE(client.receive(buffer, descriptors, Deadline::after(milliseconds(0))));
}

TEST_F(Opened, LongDeadlineIsKept) {
    const auto start = steady_clock::now();
    const auto time = milliseconds(2100);
    EXPECT_EQ(client.receive(buffer, descriptors, Deadline::after(time)).error().code, EAGAIN);
    EXPECT_GE(steady_clock::now() - start, time);
}

TEST_F(Opened, LateAnswerIsReceived) {
    std::jthread answer = answering_after(milliseconds(1500));
    EXPECT_TRUE(client.receive(buffer, descriptors, Deadline::after(milliseconds(60'000))));
    answer.join();
}

TEST_F(Opened, SignalsDoNotEndTheWait) {
    struct sigaction action{}, before{};
    action.sa_handler = [](int) {};
    ASSERT_EQ(sigaction(SIGUSR1, &action, &before), 0);
    const pthread_t waiting = pthread_self();
    std::jthread answer = answering_after(milliseconds(200));
    std::jthread disturbing([&] {
        for (int i = 0; i < 10; ++i) {
            std::this_thread::sleep_for(milliseconds(10));
            pthread_kill(waiting, SIGUSR1);
        }
    });
    EXPECT_TRUE(client.receive(buffer, descriptors, Deadline::after(milliseconds(60'000))));
    answer.join();
    disturbing.join();
    sigaction(SIGUSR1, &before, nullptr);
}

TEST(Open, AbsentServiceIsEnoent) {
    const auto opened = Connection::open("/nonexistent/socket", Deadline::after(milliseconds(100)));
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code, ENOENT);
    EXPECT_EQ(Connection::open("", Deadline::after(milliseconds(100))).error().code, ENOENT);
    EXPECT_EQ(Connection::open(std::string(200, 'x').c_str(), Deadline::after(milliseconds(100)))
                  .error()
                  .code,
              ENOENT);
}

}  // namespace
}  // namespace smmu::protocol
