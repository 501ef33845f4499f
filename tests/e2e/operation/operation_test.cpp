// SPDX-License-Identifier: Apache-2.0
// Operation: what an administrator does with a service: check, reload, trial, release, safe state, stop.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <poll.h>
#include <pty.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "tests/e2e/judges/observer.hpp"
#include "tests/e2e/machine_room.hpp"

namespace smmu::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr std::uint64_t window = memory_base, other = memory_base + 4 * page;

class Operation : public testing::Test {
protected:
    void SetUp() override {
        auto opened = MachineRoom::open();
        ASSERT_TRUE(opened) << opened.error().text;
        room_ = std::move(*opened);
    }
    MachineRoom& room() { return *room_; }
    std::string configure(const std::string& lines) {
        const std::string path = room().board().directory() + "/board.smmu";
        std::ofstream(path) << "smmu vtd\n" << lines;
        return path;
    }
    Ran service(const std::vector<std::string>& words) {
        return run(room().board(), "smmuman", Service::words(room().board(), words));
    }
    Ran ctl(const std::vector<std::string>& words) {
        std::vector<std::string> all{"--socket", Service::socket(room().board())};
        all.insert(all.end(), words.begin(), words.end());
        return run(room().board(), "smmuctl", all);
    }
    // The exit status of `smmuctl reload` in that process.
    static long reload_as(ClientProcess& process) {
        return process
            .run([] {
                const pid_t child = fork();
                if (child == 0) {
                    execl(SMMU_BINARY_DIR "/bin/smmuctl", "smmuctl", "reload", nullptr);
                    _exit(127);
                }
                int status = 0;
                waitpid(child, &status, 0);
                return long{WEXITSTATUS(status)};
            })
            .value;
    }
    bool translating() {
        return (room().link().read(q35::vtd_registers.first + 0x1c, 4) >> 31 & 1) != 0;
    }
    static std::string startup_line(std::uint64_t at, const char* device = "pci:0:3.0") {
        return fmt::format("allow set{0:x} {0:x},4K\ndevice {1} set{0:x}\n", at, device);
    }

private:
    std::unique_ptr<MachineRoom> room_;
};

TEST_F(Operation, ACheckTouchesNothingAndItsOutputIsAConfiguration) {
    const std::string path = configure(startup_line(window));
    const auto before = room().link().read(q35::vtd_registers.first + 0x1c, 4);
    const Ran ran = service({"--check", "@" + path});
    EXPECT_EQ(ran.status, 0) << ran.output;
    EXPECT_THAT(ran.output, HasSubstr("device 0000:00:03.0 use vtd@fed90000"));
    EXPECT_EQ(room().link().read(q35::vtd_registers.first + 0x1c, 4), before);
    EXPECT_TRUE(room().writes(room().a(), other)) << "the unit was switched on";

    const std::string pasted = room().board().directory() + "/pasted.smmu";
    std::ofstream(pasted) << ran.output;
    const Ran again = service({"--check", "@" + pasted});
    EXPECT_EQ(again.status, 0) << again.output;
    EXPECT_THAT(again.output, HasSubstr("device 0000:00:03.0 use vtd@fed90000"));
    ASSERT_TRUE(room().start_service({"@" + pasted}));
    EXPECT_FALSE(room().writes(room().a(), window));
}

// Registers, configuration space and memory: a check that wrote anywhere would be held at the tap, or leave a trace.
TEST_F(Operation, ACheckWritesNothing) {
    auto tap = room().board().connect();
    ASSERT_TRUE(tap);
    ASSERT_TRUE((*tap)->tap({PhysAddr{0}, PhysAddr{~std::uint64_t{0}}}));
    std::vector<link::Stop> writes;
    const auto ram = room().ram().at({0}, (*tap)->machine().ram.front().length);
    const std::vector<std::byte> before(ram.begin(), ram.end());
    {
        const Observer observer(**tap, [&](const link::Stop& stop) { writes.push_back(stop); });
        EXPECT_EQ(service({"--check", "smmu", "vtd"}).status, 0);
        EXPECT_TRUE(writes.empty());
        EXPECT_TRUE(std::ranges::equal(ram, before));
        ASSERT_TRUE(room().start_service());  // which does write
    }
    EXPECT_FALSE(writes.empty());
    EXPECT_FALSE(std::ranges::equal(ram, before));
}

TEST_F(Operation, ACheckSaysWhatIsWrongByItsExitStatus) {
    const Ran ran = service({"--check", "smmu", "vtd", "device", "pci:0:3.0", "use", "nosuchunit"});
    EXPECT_EQ(ran.status, 2);
    EXPECT_THAT(ran.output, HasSubstr("# error unit-unknown"));
    EXPECT_EQ(service({"--check", "smmu", "nosuch"}).status, 2);
    EXPECT_EQ(service({"--check", "--tables", "/nonexistent", "smmu", "vtd"}).status, 2);
}

TEST_F(Operation, MistakesThatOnlyTheMachineShowsAreConfigurationToo) {
    const Ran nobody = service({"--check", "smmu", "vtd", "ability", "admin", "user:nosuchuser"});
    EXPECT_EQ(nobody.status, 2);
    EXPECT_THAT(nobody.output, HasSubstr("nosuchuser"));
    const Ran tables = service({"smmu", "vtd", "tables", "0x1800,8K"});
    EXPECT_EQ(tables.status, 2) << tables.output;
    EXPECT_THAT(tables.output, HasSubstr("NOT CONTAINED"));
    EXPECT_FALSE(translating());
}

// On trial, a start that nobody could use goes back like one that nobody confirmed.
TEST_F(Operation, ATrialThatCannotListenIsTakenBack) {
    const Ran ran = service({"smmu", "vtd", "trial", "60", "socket", "/nonexistent/smmuman.sock"});
    EXPECT_EQ(ran.status, 4) << ran.output;
    EXPECT_FALSE(translating());
    EXPECT_TRUE(room().writes(room().a(), other));
}

TEST_F(Operation, AUserWithoutAbilitiesTakesNobodysSeat) {
    ASSERT_TRUE(room().start_service());
    ClientProcess stranger = room().client(ClientProcess::nobody);
    const Answer left = stranger.run([] {
        constexpr int tried = 400;
        const std::string path = std::getenv("SMMUMAN_SOCKET");
        std::vector<pollfd> sockets;
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path.copy(address.sun_path, sizeof address.sun_path - 1);
        for (int i = 0; i < tried; ++i) {
            const int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
            if (connect(fd, static_cast<const sockaddr*>(static_cast<const void*>(&address)), sizeof address) == 0)
                sockets.push_back({fd, POLLIN, 0});
        }
        usleep(500'000);
        poll(sockets.data(), sockets.size(), 0);
        return long(std::ranges::count_if(sockets, [](const pollfd& one) { return one.revents == 0; }));
    });
    EXPECT_GT(left.value, 0);
    EXPECT_LE(left.value, 128);
    EXPECT_EQ(ctl({"status"}).status, 0);
}

TEST_F(Operation, AnUnknownOptionAndTwoTasksAreRefused) {
    EXPECT_EQ(service({"--chek"}).status, 2);
    EXPECT_EQ(service({"--check", "--safe-state"}).status, 2);
    EXPECT_EQ(service({"--tables"}).status, 2);
}

// The second example of smmu(5): whoever copies it has the board contained.
TEST_F(Operation, TheManualsConfigurationForADamagedTableContainsTheBoard) {
    const std::string manual = contents(SMMU_SOURCE_DIR "/man/smmu.5");
    const std::string begin = ".Bd -literal -offset indent\n";
    const auto first = manual.find(begin, manual.find("smmu vtd ignore") - begin.size()) + begin.size();
    const std::string path = room().board().directory() + "/by-hand.smmu";
    std::ofstream(path) << manual.substr(first, manual.find(".Ed", first) - first);
    const auto started = room().start_service({"@" + path});
    ASSERT_TRUE(started) << started.error().text;
    EXPECT_FALSE(room().writes(room().a(), window));
    EXPECT_EQ(room().status().units.front().name, "dmar0");
    ClientProcess driver = room().driver();
    for (const Function function : {q35::edu_b, q35::edu_behind_port}) {
        const Object object = driver.own(function);
        ASSERT_NE(object, nullptr);
        ASSERT_TRUE(driver.map(object, window, page, rw).done());
        EXPECT_TRUE(room().writes(room().edu(function), window));
        EXPECT_FALSE(room().writes(room().edu(function), other));
    }
}

TEST_F(Operation, AReloadOpensAndClosesWhatNobodyHolds) {
    const std::string path = configure(startup_line(window));
    ASSERT_TRUE(room().start_service({"@" + path}));
    EXPECT_TRUE(room().writes(room().a(), window));
    EXPECT_FALSE(room().writes(room().a(), other));

    configure(startup_line(other) + startup_line(window, "pci:0:4.0"));
    const Ran ran = ctl({"reload"});
    EXPECT_EQ(ran.status, 0) << ran.output;
    EXPECT_FALSE(room().writes(room().a(), window)) << "what the configuration no longer says is open";
    EXPECT_TRUE(room().writes(room().a(), other));
    EXPECT_TRUE(room().writes(room().b(), window));
    EXPECT_FALSE(room().writes(room().b(), other));
}

TEST_F(Operation, AReloadBySignalIsTheSame) {
    const std::string path = configure("");
    ASSERT_TRUE(room().start_service({"@" + path}));
    EXPECT_FALSE(room().writes(room().a(), window));
    configure(startup_line(window));
    ASSERT_EQ(kill(room().service().pid(), SIGHUP), 0);
    EXPECT_TRUE(eventually([&] { return room().service().said().find("reload: done") != std::string::npos; }));
    EXPECT_TRUE(room().writes(room().a(), window));
}

TEST_F(Operation, AReloadIsAllOrNothing) {
    const std::string path = configure(startup_line(window));
    ASSERT_TRUE(room().start_service({"@" + path}));
    const std::vector<std::pair<std::string, std::string>> mistakes = {
        {startup_line(other) + "devise pci:0:4.0\n", "board.smmu:4:8"},
        {startup_line(other) + "device pci:0:4.0 use nosuchunit\n", "nosuchunit"},
        {startup_line(other) + "tables 16M\n", "`tables` cannot change"},
        {startup_line(other) + "ability attach user:nosuchuser\n", "nosuchuser"}};
    for (const auto& [lines, sentence] : mistakes) {
        configure(lines);
        const Ran ran = ctl({"reload"});
        EXPECT_EQ(ran.status, 2);
        EXPECT_THAT(ran.output, HasSubstr("nothing has changed"));
        EXPECT_THAT(ran.output, HasSubstr(sentence));
        EXPECT_TRUE(room().writes(room().a(), window));
        EXPECT_FALSE(room().writes(room().a(), other));
    }
}

TEST_F(Operation, AReloadNeitherWidensNorNarrowsWhatAClientHolds) {
    const std::string path = configure("");
    ASSERT_TRUE(room().start_service({"@" + path}));
    ClientProcess driver = room().driver();
    const Object object = driver.create();
    ASSERT_TRUE(driver.add(object, q35::edu_b).done());
    ASSERT_TRUE(driver.map(object, window, page, rw).done());

    configure(startup_line(other, "pci:0:4.0"));
    const Ran widening = ctl({"reload"});
    EXPECT_EQ(widening.status, 2);
    EXPECT_THAT(widening.output, HasSubstr("0000:00:04.0"));
    EXPECT_THAT(widening.output, HasSubstr(fmt::format("pid {}", driver.pid())));
    EXPECT_FALSE(room().writes(room().b(), other));
    configure("device pci:0:4.0 blocked\n");
    EXPECT_EQ(ctl({"reload"}).status, 2);
    EXPECT_TRUE(room().writes(room().b(), window));

    configure(startup_line(other));  // another device's
    EXPECT_EQ(ctl({"reload"}).status, 0);
    EXPECT_TRUE(room().writes(room().b(), window));
    EXPECT_TRUE(room().writes(room().a(), other));
}

TEST_F(Operation, OnlyAdministratorsAdminister) {
    const std::string path = configure("ability attach user:nobody\n");
    ASSERT_TRUE(room().start_service({"@" + path}));
    ClientProcess driver = room().driver(ClientProcess::nobody);
    EXPECT_EQ(reload_as(driver), 2);
    configure("ability admin user:nobody\n" + startup_line(window));
    EXPECT_EQ(ctl({"reload"}).status, 0);
    EXPECT_TRUE(room().writes(room().a(), window));
    configure("ability admin user:nobody\n");
    EXPECT_EQ(reload_as(driver), 0) << "abilities count from the next connection on, and this is one";
    EXPECT_FALSE(room().writes(room().a(), window));
}

TEST_F(Operation, ATrialThatNobodyConfirmsIsTakenBack) {
    ASSERT_TRUE(room().start_service({"smmu", "vtd", "trial", "1"}));
    EXPECT_TRUE(translating());
    EXPECT_FALSE(room().writes(room().a(), window));
    EXPECT_EQ(room().service().wait_for_end(), 4);
    EXPECT_THAT(room().service().said(), HasSubstr("trial was not confirmed"));
    EXPECT_FALSE(translating());
    EXPECT_TRUE(room().writes(room().a(), window));
}

TEST_F(Operation, AStopDuringATrialTakesItBackToo) {
    const std::string path = configure("trial 60\n");
    ASSERT_TRUE(room().start_service({"@" + path}));
    configure("");
    const Ran ran = ctl({"reload"});
    EXPECT_EQ(ran.status, 2) << "a reload would end the trial";
    EXPECT_THAT(ran.output, HasSubstr("`trial` cannot change"));
    EXPECT_EQ(room().service().end(SIGTERM), 4);
    EXPECT_FALSE(translating());
}

TEST_F(Operation, AConfirmedTrialStays) {
    ASSERT_TRUE(room().start_service({"smmu", "vtd", "trial", "2"}));
    EXPECT_EQ(ctl({"confirm"}).status, 0);
    EXPECT_EQ(ctl({"confirm"}).status, 2);
    usleep(2'500'000);
    EXPECT_TRUE(room().service().alive());
    EXPECT_FALSE(room().writes(room().a(), window));
}

TEST_F(Operation, ATrialIsRefusedWhereAUnitTranslatesAlready) {
    ASSERT_TRUE(room().start_service());
    room().service().end(SIGKILL);
    const Ran ran = service({"smmu", "vtd", "trial", "5"});
    EXPECT_EQ(ran.status, 2) << ran.output;
    EXPECT_TRUE(translating());
    EXPECT_FALSE(room().writes(room().a(), window));
}

TEST_F(Operation, SafeStateBlocksWhatClientsLeft) {
    const std::string path = configure(startup_line(other));
    ASSERT_TRUE(room().start_service({"@" + path}));
    ClientProcess driver = room().driver();
    const Object object = driver.create();
    ASSERT_TRUE(driver.add(object, q35::edu_b).done());
    ASSERT_TRUE(driver.map(object, window, page, rw).done());
    EXPECT_EQ(service({"--safe-state", "@" + path}).status, 3) << "a service runs";
    room().service().end(SIGKILL);
    EXPECT_TRUE(room().writes(room().b(), window)) << "hardware goes on with what it was given";

    const Ran ran = service({"--safe-state", "@" + path});
    EXPECT_EQ(ran.status, 0) << ran.output;
    EXPECT_FALSE(room().writes(room().b(), window));
    EXPECT_TRUE(room().writes(room().a(), other)) << "startup mappings stay";
    EXPECT_EQ(service({"--safe-state", "exit", "block", "@" + path}).status, 0);
    EXPECT_FALSE(room().writes(room().a(), other));
}

TEST_F(Operation, SafeStateBlocksWithAConfigurationThatCannotBeRead) {
    const std::string path = configure(startup_line(other));
    ASSERT_TRUE(room().start_service({"@" + path}));
    ClientProcess driver = room().driver();
    ASSERT_TRUE(driver.map(driver.own(q35::edu_b), window, page, rw).done());
    room().service().end(SIGKILL);
    configure("devise pci:0:4.0\n");
    const Ran ran = service({"--safe-state", "@" + path});
    EXPECT_EQ(ran.status, 0) << ran.output;
    EXPECT_THAT(ran.output, AllOf(HasSubstr("startup mappings go as well"), HasSubstr("board.smmu:2:1"), HasSubstr("everything is refused")));
    EXPECT_FALSE(room().writes(room().b(), window) || room().writes(room().a(), other));
    EXPECT_TRUE(translating());
}

TEST_F(Operation, SafeStateOfAMachineThatNobodyContainedChangesNothing) {
    const Ran ran = service({"--safe-state", "smmu", "vtd"});
    EXPECT_EQ(ran.status, 0) << ran.output;
    EXPECT_FALSE(translating());
}

TEST_F(Operation, AnOrderlyStopLeavesStartupMappingsOrNothing) {
    const std::string path = configure(startup_line(other));
    for (const bool block : {false, true}) {
        ASSERT_TRUE(room().start_service(block ? std::vector<std::string>{"exit", "block", "@" + path}
                                               : std::vector<std::string>{"@" + path}));
        EXPECT_TRUE(room().writes(room().a(), other));
        EXPECT_EQ(room().service().end(SIGTERM), 0);
        EXPECT_TRUE(translating());
        EXPECT_EQ(room().writes(room().a(), other), !block);
        EXPECT_FALSE(room().writes(room().b(), other));
    }
}

// Bus numbers of the root port: with none, whatever is below it is gone.
void lead_to(link::Client& link, std::uint8_t bus) {
    const auto at = q35::ecam + (std::uint64_t{q35::root_port.devfn()} << 12);
    link.write(at + 0x19, 1, bus);
    link.write(at + 0x1a, 1, bus);
}

TEST_F(Operation, ADeviceThatVanishesLeavesItsObjectAndComesBackBlocked) {
    ASSERT_TRUE(room().start_service());
    ClientProcess driver = room().driver();
    const Object object = driver.own(q35::edu_behind_port);
    ASSERT_NE(object, nullptr);
    ASSERT_TRUE(driver.map(object, window, page, rw).done());
    Edu& edu = room().edu(q35::edu_behind_port);
    EXPECT_TRUE(room().writes(edu, window));
    EXPECT_EQ(driver.run([] { return long{smmu_event_fd()} < 0 ? -1L : 0L; }).value, 0);

    lead_to(room().link(), 0);
    const auto state = [&] {
        for (const report::Device& device : room().status().devices)
            if (device.id == "0000:01:00.0") return device.state;
        return std::string();
    };
    ASSERT_TRUE(eventually([&] { return state() == "gone"; })) << room().service().said();
    EXPECT_TRUE(room().status().objects.front().devices.empty());
    const Answer told = driver.run([] {
        smmu_event event{};
        event.size = sizeof event;
        const int count = smmu_event_read(&event, 1);
        return count == 1 ? long(event.cause) : -1L;
    });
    EXPECT_EQ(told.value, long{SMMU_CAUSE_DEVICE_GONE});

    lead_to(room().link(), 1);
    EXPECT_FALSE(room().writes(edu, window));
    ASSERT_TRUE(eventually([&] { return state() == "blocked"; })) << room().service().said();
    EXPECT_FALSE(room().writes(edu, window)) << "it came back open";
    EXPECT_TRUE(driver.add(object, q35::edu_behind_port).done());
    EXPECT_TRUE(room().writes(edu, window));
}

// `typed` goes to smmuctl's terminal.
int release_at_a_terminal(const std::string& socket, const std::string& typed) {
    int terminal = -1;
    const pid_t child = forkpty(&terminal, nullptr, nullptr, nullptr);
    if (child == 0) {
        execl(SMMU_BINARY_DIR "/bin/smmuctl", "smmuctl", "--socket", socket.c_str(), "release", "vtd@fed90000", "--open",
              nullptr);
        _exit(127);
    }
    const UniqueFd owned(terminal);
    const std::string line = typed + "\n";
    if (write(terminal, line.data(), line.size()) != ssize_t(line.size())) return -1;
    int status = 0;
    for (const Instant end = std::chrono::steady_clock::now() + patience; waitpid(child, &status, WNOHANG) == 0;) {
        if (std::chrono::steady_clock::now() > end) kill(child, SIGKILL);
        usleep(2000);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST_F(Operation, AUnitIsReleasedOnlyByAPersonAtATerminal) {
    ASSERT_TRUE(room().start_service());
    const std::string socket = Service::socket(room().board());
    EXPECT_EQ(ctl({"release", "vtd@fed90000"}).status, 2);
    EXPECT_EQ(ctl({"release", "vtd@fed90000", "--open"}).status, 2) << "no terminal";
    EXPECT_EQ(release_at_a_terminal(socket, "yes"), 2);
    EXPECT_TRUE(translating());
    {
        ClientProcess driver = room().driver();
        const Object object = driver.create();
        ASSERT_TRUE(driver.add(object, q35::edu_b).done());
        EXPECT_EQ(release_at_a_terminal(socket, "vtd@fed90000"), 2) << "a client has a device behind it";
        EXPECT_TRUE(translating());
    }
    ASSERT_TRUE(eventually([&] { return room().status().objects.empty(); }));
    EXPECT_EQ(release_at_a_terminal(socket, "vtd@fed90000"), 0);
    EXPECT_FALSE(translating());
    const report::Status status = room().status();
    EXPECT_EQ(status.units.front().state, "released");
    EXPECT_FALSE(report::all_contained(status));
    EXPECT_THAT(room().service().said(), HasSubstr("the unit is OFF"));
    usleep(1'500'000);  // a recheck goes by
    EXPECT_TRUE(room().service().alive()) << room().service().said();
    EXPECT_EQ(room().service().end(SIGTERM), 0);
    EXPECT_FALSE(translating());
    ASSERT_TRUE(room().start_service());
    EXPECT_FALSE(room().writes(room().a(), window));
}

}  // namespace
}  // namespace smmu::test
