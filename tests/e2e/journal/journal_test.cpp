// SPDX-License-Identifier: Apache-2.0
// Journal: smmuman-log beside the service, with a journal of the test's own, which speaks journald's native protocol: one
// datagram for each entry.
#include <gmock/gmock.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <map>

#include "tests/e2e/machine_room.hpp"

namespace smmu::test {
namespace {

using testing::HasSubstr;

constexpr std::uint64_t nowhere = 0x500'0000;  // granted to nobody

// From here on this process and what it starts have a /run of their own, where journald's socket is this test's.
bool enter_own_run() {
    const uid_t user = geteuid();
    const gid_t group = getegid();
    if (unshare(user == 0 ? CLONE_NEWNS : CLONE_NEWNS | CLONE_NEWUSER) != 0) return false;
    if (user != 0) {
        std::ofstream("/proc/self/setgroups") << "deny";
        std::ofstream("/proc/self/uid_map") << fmt::format("{0} {0} 1", user);
        std::ofstream("/proc/self/gid_map") << fmt::format("{0} {0} 1", group);
    }
    return mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 && mount("tmpfs", "/run", "tmpfs", 0, nullptr) == 0 &&
           std::filesystem::create_directories("/run/systemd/journal");
}

using Fields = std::map<std::string, std::string>;

class FakeJournal {
public:
    FakeJournal() : socket_(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
        sockaddr_un address{.sun_family = AF_UNIX, .sun_path = "/run/systemd/journal/socket"};
        unlink(address.sun_path);
        EXPECT_EQ(bind(socket_.get(), static_cast<const sockaddr*>(static_cast<const void*>(&address)), sizeof address), 0);
    }
    // The next entry; empty when none comes in time.
    Fields next() {
        pollfd ready{socket_.get(), POLLIN, 0};
        if (poll(&ready, 1, int(std::chrono::duration_cast<std::chrono::milliseconds>(patience).count())) != 1) return {};
        std::string bytes(1 << 16, '\0');
        const ssize_t length = recv(socket_.get(), bytes.data(), bytes.size(), 0);
        if (length <= 0) return {};
        bytes.resize(std::size_t(length));
        return fields_of(bytes);
    }

private:
    // NAME=value, or NAME, a line end, the length in eight bytes and the value; a line end after each.
    static Fields fields_of(const std::string& bytes) {
        Fields fields;
        for (std::size_t at = 0; at < bytes.size();) {
            const std::size_t line = bytes.find('\n', at), equals = bytes.find('=', at);
            if (line == std::string::npos) break;
            if (equals < line) {
                fields[bytes.substr(at, equals - at)] = bytes.substr(equals + 1, line - equals - 1);
                at = line + 1;
                continue;
            }
            std::uint64_t length = 0;
            std::memcpy(&length, bytes.data() + line + 1, sizeof length);
            fields[bytes.substr(at, line - at)] = bytes.substr(line + 1 + sizeof length, length);
            at = line + 1 + sizeof length + length + 1;
        }
        return fields;
    }

    UniqueFd socket_;
};

class Journal : public testing::Test {
protected:
    static void SetUpTestSuite() { own_run_ = enter_own_run(); }
    void SetUp() override {
        if (!own_run_) GTEST_SKIP() << "this user may not have a /run of its own";
        auto opened = MachineRoom::open();
        ASSERT_TRUE(opened) << opened.error().text;
        room_ = std::move(*opened);
    }
    MachineRoom& room() { return *room_; }
    std::string log_output() { return room().board().directory() + "/smmuman-log.out"; }
    Program start_log() {
        const std::vector<std::string> words{"--socket", Service::socket(room().board())};
        return Program::start("smmuman-log", words, log_output());
    }
    bool log_says(const std::string& text) {
        return eventually([&] { return contents(log_output()).find(text) != std::string::npos; });
    }

    static inline bool own_run_ = false;

private:
    std::unique_ptr<MachineRoom> room_;
};

TEST_F(Journal, ARefusalOfAnOwnedDeviceHasAllFields) {
    FakeJournal journal;
    ASSERT_TRUE(room().start_service());
    const Program log = start_log();
    ASSERT_TRUE(log_says("listening")) << contents(log_output());
    ClientProcess driver = room().driver();
    const Object object = driver.own(q35::edu_a);
    ASSERT_NE(object, nullptr);
    ASSERT_TRUE(driver.map(object, memory_base, page, SMF_READ).done());

    room().stray(room().a(), memory_base);
    const Fields entry = journal.next();
    const auto field = [&](const std::string& name) {
        const auto at = entry.find(name);
        return at != entry.end() ? at->second : "none";
    };
    EXPECT_EQ(field("SMMU_UNIT"), "vtd@fed90000");
    EXPECT_EQ(field("SMMU_DEVICE"), "0000:00:03.0");
    EXPECT_EQ(field("SMMU_ADDRESS"), fmt::format("{:#x}", memory_base));
    EXPECT_EQ(field("SMMU_ACCESS"), "write");
    EXPECT_EQ(field("SMMU_CAUSE"), "permission");
    EXPECT_EQ(field("SMMU_OWNER_PID"), std::to_string(driver.pid()));
    EXPECT_EQ(field("SMMU_OWNER_UID"), std::to_string(geteuid()));
    EXPECT_EQ(field("SMMU_SEQ"), "1");
    EXPECT_EQ(field("SMMU_STREAM"), "0x18");
    EXPECT_EQ(field("PRIORITY"), "4");
    EXPECT_EQ(field("MESSAGE_ID"), "7f78cea8d55e4a56b0128edcfc26204a");
    EXPECT_THAT(field("MESSAGE"), HasSubstr("0000:00:03.0: write at 0x2000000: the memory is granted, but not for this"));
    EXPECT_EQ(field("SYSLOG_IDENTIFIER"), "smmuman-log");

    ASSERT_TRUE(driver.destroy(object).done());
    room().stray(room().a(), nowhere);
    Fields alone = journal.next();
    EXPECT_EQ(alone["SMMU_CAUSE"], "not-attached");
    EXPECT_EQ(alone["SMMU_SEQ"], "2");
    EXPECT_FALSE(alone.contains("SMMU_OWNER_PID")) << "nobody owns it";
}

TEST_F(Journal, ItWaitsForTheFirstServiceAndForTheNext) {
    FakeJournal journal;
    Program log = start_log();
    ASSERT_TRUE(log_says("smmuman-log: ")) << "why it does not listen yet";
    EXPECT_FALSE(contents(log_output()).contains("listening"));
    ASSERT_TRUE(room().start_service());
    ASSERT_TRUE(log_says("listening")) << contents(log_output());
    room().stray(room().a(), nowhere);
    EXPECT_EQ(journal.next()["SMMU_ADDRESS"], fmt::format("{:#x}", nowhere));

    ASSERT_EQ(room().service().end(SIGKILL), 128 + SIGKILL);
    EXPECT_TRUE(log_says("the service is gone")) << contents(log_output());
    ASSERT_TRUE(room().start_service());
    ASSERT_TRUE(log_says("a new instance of the service")) << contents(log_output());
    room().stray(room().b(), nowhere + page);
    Fields entry = journal.next();
    EXPECT_EQ(entry["SMMU_ADDRESS"], fmt::format("{:#x}", nowhere + page));
    EXPECT_EQ(entry["SMMU_DEVICE"], "0000:00:04.0");
    EXPECT_EQ(log.end(SIGTERM), 128 + SIGTERM);
}

// As a user of its own it sees nothing without the ability monitor, and goes on asking: the next configuration may give it.
TEST_F(Journal, WithoutTheAbilityItSaysSoAndWaits) {
    ASSERT_TRUE(room().start_service());
    if (geteuid() != 0) GTEST_SKIP() << "only root can become another user";
    ClientProcess stranger = room().client(ClientProcess::nobody);
    const std::string output = log_output();
    std::ofstream made(output);
    std::filesystem::permissions(output, std::filesystem::perms::all);
    char* const path = stranger.shared<char>();
    output.copy(path, 4096);
    const Answer status = stranger.run([path] {
        const pid_t child = fork();
        if (child == 0) {
            dup2(open(path, O_WRONLY | O_APPEND), STDERR_FILENO);
            execl(SMMU_BINARY_DIR "/bin/smmuman-log", "smmuman-log", nullptr);
            _exit(127);
        }
        constexpr useconds_t two_rounds = 2'500'000;
        usleep(two_rounds);
        if (waitpid(child, nullptr, WNOHANG) != 0) return -1L;
        kill(child, SIGKILL);
        return waitpid(child, nullptr, 0) == child ? 0L : -1L;
    });
    EXPECT_TRUE(status.done()) << "it ended";
    const std::string said = contents(output);
    EXPECT_THAT(said, HasSubstr("smmuman-log: "));
    EXPECT_EQ(std::ranges::count(said, '\n'), 1) << said;
}

}  // namespace
}  // namespace smmu::test
