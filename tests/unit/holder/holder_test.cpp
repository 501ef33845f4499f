// SPDX-License-Identifier: Apache-2.0
// What is given to the holder comes back to the next who asks, and to nobody who may not.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "holder/client.hpp"
#include "holder_thread.hpp"

namespace smmu::holder {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class Holder : public testing::Test {
protected:
    std::string path() const { return thread_.path(); }
    Client client() const { return Client(path()); }

    test::HolderThread thread_;
};

// Files that say which they are.
Deposit deposit_of(std::size_t files, std::vector<std::byte> note = {}) {
    Deposit deposit;
    for (std::size_t i = 0; i < files; ++i) {
        UniqueFd file(memfd_create("kept", MFD_CLOEXEC));
        EXPECT_EQ(write(file.get(), &i, sizeof i), ssize_t(sizeof i));
        deposit.descriptors.push_back(std::move(file));
    }
    deposit.note = std::move(note);
    return deposit;
}

std::size_t number_in(const UniqueFd& file) {
    std::size_t number = ~std::size_t{0};
    EXPECT_EQ(pread(file.get(), &number, sizeof number, 0), ssize_t(sizeof number));
    return number;
}

TEST_F(Holder, GivesBackWhatItWasGiven) {
    EXPECT_FALSE(client().hand_out("tables")->has_value());
    ASSERT_TRUE(client().keep("tables", deposit_of(2, {std::byte{7}, std::byte{9}})));
    for (int i = 0; i < 2; ++i) {  // again and again
        const auto back = client().hand_out("tables");
        ASSERT_TRUE(back && *back);
        EXPECT_THAT((*back)->note, ElementsAre(std::byte{7}, std::byte{9}));
        ASSERT_EQ((*back)->descriptors.size(), 2u);
        EXPECT_EQ(number_in((*back)->descriptors[0]), 0u);
        EXPECT_EQ(number_in((*back)->descriptors[1]), 1u);
        EXPECT_NE(fcntl((*back)->descriptors[0].get(), F_GETFD) & FD_CLOEXEC, 0);
    }
}

TEST_F(Holder, NeverReplacesADeposit) {
    ASSERT_TRUE(client().keep("tables", deposit_of(1, {std::byte{1}})));
    const auto again = client().keep("tables", deposit_of(1, {std::byte{2}}));
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().code, EEXIST);
    EXPECT_THAT((*client().hand_out("tables"))->note, ElementsAre(std::byte{1}));
    EXPECT_EQ(client().let_go("other").error().code, ENOENT);
    EXPECT_TRUE(client().let_go("tables"));
    EXPECT_TRUE(client().keep("tables", deposit_of(1, {std::byte{2}})));
}

TEST_F(Holder, LetsGoByTheBeginningOfNames) {
    for (const char* const name : {"client 1", "client 2", "clients", "tables"}) ASSERT_TRUE(client().keep(name, deposit_of(1)));
    EXPECT_EQ(client().let_go_all("").error().code, EINVAL);
    ASSERT_TRUE(client().let_go_all("client "));
    EXPECT_FALSE(client().hand_out("client 1")->has_value());
    EXPECT_FALSE(client().hand_out("client 2")->has_value());
    EXPECT_TRUE(client().hand_out("clients")->has_value());
    EXPECT_TRUE(client().hand_out("tables")->has_value());
    EXPECT_TRUE(client().let_go_all("client ")) << "there is none any more";
}

TEST_F(Holder, AsManyAsTheLimits) {
    const std::string name(longest_name, 'x');
    ASSERT_TRUE(client().keep(name, deposit_of(most_descriptors, std::vector<std::byte>(largest_note))));
    const auto back = client().hand_out(name);
    ASSERT_TRUE(back && *back);
    ASSERT_EQ((*back)->descriptors.size(), most_descriptors);
    EXPECT_EQ(number_in((*back)->descriptors.back()), most_descriptors - 1);
    EXPECT_EQ(client().keep(name + "x", deposit_of(1)).error().code, E2BIG);
    EXPECT_EQ(client().keep("x", deposit_of(most_descriptors + 1)).error().code, E2BIG);
    EXPECT_EQ(client().keep("x", deposit_of(1, std::vector<std::byte>(largest_note + 1))).error().code, E2BIG);
}

TEST_F(Holder, NothingToKeep) {
    EXPECT_EQ(client().keep("", deposit_of(1)).error().code, EINVAL);
    EXPECT_EQ(client().keep("empty", deposit_of(0)).error().code, EINVAL);
}

TEST_F(Holder, WhoBreaksOffHasAskedNothing) {
    for (const std::size_t bytes : {0u, 1u, 47u, 48u, 1000u}) {
        const auto connection = protocol::Connection::open(path().c_str(), protocol::Deadline::after(std::chrono::seconds(5)));
        ASSERT_TRUE(connection);
        const std::vector<std::byte> rubbish(bytes, std::byte{0x41});
        if (bytes != 0) { ASSERT_TRUE(connection->send(rubbish, {}, protocol::Deadline::after(std::chrono::seconds(5)))); }
    }
    EXPECT_TRUE(client().keep("tables", deposit_of(1))) << "it serves on";
    EXPECT_EQ(thread_.deposits(), 1u);
}

TEST_F(Holder, OthersMayNotAsk) {
    if (geteuid() != 0) GTEST_SKIP() << "only root can become somebody else";
    ASSERT_TRUE(client().keep("tables", deposit_of(1)));
    std::filesystem::permissions(thread_.folder(), std::filesystem::perms::all);
    std::filesystem::permissions(path(), std::filesystem::perms::all);  // whoever gets as far as the socket
    const pid_t stranger = fork();
    if (stranger == 0) {
        if (setresuid(65534, 65534, 65534) != 0) _exit(2);
        const auto back = Client(path()).hand_out("tables");
        _exit(back ? 1 : 0);
    }
    int status = -1;
    ASSERT_EQ(waitpid(stranger, &status, 0), stranger);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
}

TEST_F(Holder, TheSocketIsForItsUserOnly) {
    struct stat status{};
    ASSERT_EQ(stat(path().c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0600u);
    EXPECT_EQ(listen_at(path()).error().code, EADDRINUSE);
}

TEST_F(Holder, WhoWatchesKeepsNobodyWaiting) {
    std::vector<protocol::Connection> watching;
    for (std::size_t i = 0; i < most_watchers; ++i) {
        auto watched = client().watch();
        ASSERT_TRUE(watched) << watched.error().text;
        watching.push_back(std::move(*watched));
    }
    EXPECT_EQ(client().watch().error().code, ENOSPC);
    EXPECT_TRUE(client().keep("tables", deposit_of(1))) << "it serves on";
    EXPECT_FALSE(watching.front().peer_gone());
    watching.pop_back();
    EXPECT_TRUE(client().watch()) << "a place is free again";
}

TEST(HolderClient, LearnsOfTheEnd) {
    auto holder = std::make_unique<test::HolderThread>();
    const auto watched = Client(holder->path()).watch();
    ASSERT_TRUE(watched) << watched.error().text;
    EXPECT_FALSE(watched->peer_gone());
    holder.reset();
    EXPECT_TRUE(watched->peer_gone());
}

TEST(HolderClient, NobodyIsThere) {
    const Client client("/nowhere/at/all");
    EXPECT_EQ(client.watch().error().code, ENOENT);
    const auto kept = client.keep("tables", deposit_of(1));
    ASSERT_FALSE(kept);
    EXPECT_EQ(kept.error().code, ENOENT);
    EXPECT_THAT(kept.error().text, HasSubstr("smmuman-holder"));
}

}  // namespace
}  // namespace smmu::holder
