// SPDX-License-Identifier: Apache-2.0
// Startup: what configuration alone does, and what a wrong one does not do.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <sys/un.h>

#include "tests/e2e/machine_room.hpp"

namespace smmu::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class Startup : public testing::Test {
protected:
    static void SetUpTestSuite() {
        auto opened = MachineRoom::open();
        ASSERT_TRUE(opened) << opened.error().text;
        room_ = std::move(*opened);
    }
    static void TearDownTestSuite() { room_.reset(); }
    void SetUp() override { ASSERT_TRUE(room_); }

    static MachineRoom& room() { return *room_; }
    static std::uint32_t global_status() {
        return std::uint32_t(room().link().read(q35::vtd_registers.first + 0x1c, 4));
    }
    static std::string file(const std::string& name, const std::string& text) {
        const std::string path = room().board().directory() + "/" + name;
        std::ofstream(path) << text;
        return path;
    }
    // Runs the service with words that must stop it before it touches anything.
    static std::string refused(const std::vector<std::string>& words, int status = 2) {
        const std::uint32_t before = global_status();
        const Ran ran = run(room().board(), "smmuman", Service::words(room().board(), words));
        EXPECT_EQ(ran.status, status) << ran.output;
        EXPECT_EQ(global_status(), before) << "the unit was touched";
        EXPECT_THAT(ran.output, HasSubstr("NOT CONTAINED"));
        return ran.output;
    }

private:
    static inline std::unique_ptr<MachineRoom> room_;
};

// Declared first: the unit is still off, as the board came up.
TEST_F(Startup, AWrongConfigurationLeavesTheUnitAsFoundAndSaysWhere) {
    EXPECT_EQ(global_status() >> 31, 0u);
    const std::string path = file("wrong.smmu",
                                  "# two things are wrong\n"
                                  "smmu vtd\n"
                                  "allow window 8000,0\n"
                                  "device pci:0:3.0 window\n"
                                  "   devise pci:0:4.0\n");
    const std::string said = refused({"@" + path});
    EXPECT_THAT(said, HasSubstr("NOT CONTAINED: 1 unit was left as found, because of the configuration"));
    EXPECT_THAT(said, HasSubstr(path + ":3:14: '8000,0': "));
    EXPECT_THAT(said, HasSubstr(path + ":5:4: 'devise': no allow line defines this name"));
    EXPECT_EQ(global_status() >> 31, 0u);
    const std::string other = file("option.smmu", "smmu vtd require\n  devise pci:0:4.0\n");
    EXPECT_THAT(refused({"@" + other}),
                HasSubstr(other + ":2:3: 'devise': smmu takes no more words: expected an option"));
}

TEST_F(Startup, EveryKindOfMistakeHasItsSentence) {
    const std::pair<std::vector<std::string>, std::string> mistakes[] = {
        {{"smmu", "vtd", "device", "pci:3b:0.0"}, "did you mean pci:59:"},
        {{"smmu", "vtd", "device", "pci:0:3.0", "nosuchset"}, "nosuchset"},
        {{"smmu", "vtd", "allow", "w", "fffffffffffff000,8K"}, "fffffffffffff000,8K"},
        {{"smmu", "nosuchkind"}, "nosuchkind"},
        {{"smmu", "vtd", "exit", "bypass"}, "expected startup or block"},
        {{"smmu", "vtd", "allow", "reserved", "8000,4K"}, "has a meaning of its own"},
        {{"smmu", "vtd", "@/nonexistent.smmu"}, "cannot be read"},
        {{"smmu", "vtd", "limit", "user:nobody"}, "limit"}};
    for (const auto& [words, sentence] : mistakes) {
        SCOPED_TRACE(fmt::format("{}", fmt::join(words, " ")));
        EXPECT_THAT(refused(words), AllOf(HasSubstr(sentence), HasSubstr("command line:1:")));
    }
}

TEST_F(Startup, ErrorsAreCollectedUpToTwenty) {
    std::string text = "smmu vtd\n";
    for (int i = 0; i < 30; ++i) text += "exit wrong\n";
    const std::string path = file("many.smmu", text);
    const std::string said = refused({"@" + path});
    EXPECT_THAT(said, HasSubstr(path + ":21:6: 'wrong': expected startup or block"));
    EXPECT_THAT(said, testing::Not(HasSubstr(path + ":22:6: ")));
}

TEST_F(Startup, AFileThatNamesItselfEnds) {
    const std::string path = room().board().directory() + "/self.smmu";
    file("self.smmu", "smmu vtd\n@" + path + "\n");
    EXPECT_THAT(refused({"@" + path}), HasSubstr("does the file name itself?"));
}

TEST_F(Startup, AnUnknownPlatformOrBoardIsMissingHardware) {
    const Ran ran = run(room().board(), "smmuman",
                        {"platform", "board", "nosuchboard", "socket",
                         Service::socket(room().board()), "foreground", "smmu", "vtd"});
    EXPECT_EQ(ran.status, 3) << ran.output;
    EXPECT_THAT(ran.output, HasSubstr("nosuchboard"));
}

TEST_F(Startup, HelpAndVersionNeedNothing) {
    const Ran help = run(room().board(), "smmuman", {"--help"});
    EXPECT_EQ(help.status, 0);
    EXPECT_THAT(help.output, AllOf(HasSubstr("usage: smmuman"), HasSubstr("allow"),
                                   HasSubstr("device"), HasSubstr("uncontained")));
    const Ran version = run(room().board(), "smmuman", {"--version"});
    EXPECT_EQ(version.status, 0);
    EXPECT_THAT(version.output, testing::StartsWith("smmuman "));
}

TEST_F(Startup, StartupMappingsWorkWithoutAnyClient) {
    const std::string path = file(
        "startup.smmu", fmt::format("smmu vtd\n"
                                    "device pci:0:3.0 window both  # before its allow\n"
                                    "allow window {:x},8K,rw\n"
                                    "allow window 0d{},4K r\n"
                                    "allow both {:#x},0x1000\n"
                                    "device 0000:00:04.0 both\n",
                                    memory_base, memory_base + 16 * page, memory_base + 4 * page));
    // "4K r" was meant to be "4K,r".
    EXPECT_THAT(refused({"@" + path}), HasSubstr(path + ":4:"));
    std::string text = contents(path);
    text.replace(text.find("4K r"), 4, "4K,r");
    file("startup.smmu", text);
    const auto started = room().start_service({"@" + path});
    ASSERT_TRUE(started) << started.error().text;
    EXPECT_TRUE(room().copies(room().a(), memory_base, memory_base + page));
    EXPECT_TRUE(room().copies(room().a(), memory_base + 16 * page, memory_base));
    EXPECT_FALSE(room().writes(room().a(), memory_base + 16 * page)) << "read-only";
    EXPECT_FALSE(room().writes(room().a(), memory_base + 2 * page));
    EXPECT_TRUE(room().writes(room().b(), memory_base + 4 * page));
    EXPECT_TRUE(room().writes(room().a(), memory_base + 4 * page)) << "two sets";
    EXPECT_FALSE(room().writes(room().b(), memory_base));
    // A client adds to it, and its leaving takes only its own away.
    ClientProcess driver = room().driver();
    const Object object = driver.own(q35::edu_a);
    ASSERT_NE(object, nullptr);
    ASSERT_TRUE(driver.map(object, memory_base + 8 * page, page).done());
    ASSERT_TRUE(driver.unmap(object, memory_base, page).done());
    EXPECT_TRUE(room().writes(room().a(), memory_base)) << "not a client's to remove";
    EXPECT_TRUE(room().writes(room().a(), memory_base + 8 * page));
    driver.kill_now();
    EXPECT_TRUE(eventually([&] { return !room().writes(room().a(), memory_base + 8 * page); }));
    EXPECT_TRUE(room().writes(room().a(), memory_base));
    EXPECT_EQ(room().service().end(SIGTERM), 0);
}

TEST_F(Startup, WildcardsLeaveDevicesWithStartupMappingsAlone) {
    const auto started =
        room().start_service({"smmu", "vtd", "allow", "window", fmt::format("{:x},4K", memory_base),
                              "device", "pci:0:3.0", "window", "device", "pci:0:4.0", "blocked"});
    ASSERT_TRUE(started) << started.error().text;
    EXPECT_FALSE(room().writes(room().b(), memory_base));
    ClientProcess driver = room().driver();
    const Object object = driver.create();
    ASSERT_TRUE(driver.map(object, memory_base + page, page).done());
    const Answer added = driver.run([object] {
        return long{smmu_device_add_pci(object, 0, SMMU_PCI_FIELD_ANY, SMMU_PCI_FIELD_ANY)};
    });
    EXPECT_TRUE(added.done()) << testing::PrintToString(added);
    EXPECT_FALSE(room().writes(room().a(), memory_base + page)) << "it has startup mappings";
    EXPECT_TRUE(room().writes(room().a(), memory_base));
    EXPECT_EQ(room().service().end(SIGTERM), 0);
}

TEST_F(Startup, AStartupMappingOverProtectedMemoryIsCutAndReported) {
    const auto started = room().start_service(
        {"smmu", "vtd", "allow", "toomuch", "7ff0000,128K", "device", "pci:0:3.0", "toomuch"});
    ASSERT_TRUE(started) << started.error().text;
    EXPECT_TRUE(room().writes(room().a(), 0x7ff'f000));
    const auto tables = room().ram().load<std::uint64_t>({0x800'0000});
    room().stray(room().a(), 0x800'0000);
    EXPECT_EQ(room().ram().load<std::uint64_t>({0x800'0000}), tables);
    const auto findings = room().status().findings;
    EXPECT_TRUE(std::ranges::any_of(
        findings, [](const report::Finding& f) { return f.id == "startup-protected"; }));
    EXPECT_EQ(room().service().end(SIGTERM), 0);
}

// The process at the other end of the service's socket.
pid_t who_serves(const BoardProcess& board) {
    const UniqueFd connection(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = Service::socket(board);
    std::memcpy(address.sun_path, path.data(), path.size());
    const auto* name = static_cast<const sockaddr*>(static_cast<const void*>(&address));
    ucred peer{};
    socklen_t size = sizeof peer;
    if (connect(connection.get(), name, sizeof address) != 0 ||
        getsockopt(connection.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0)
        return 0;
    return peer.pid;
}

TEST_F(Startup, InTheBackgroundItReturnsWhenContained) {
    auto words = Service::words(room().board(), {"smmu", "vtd"});
    std::erase(words, "foreground");
    setenv("SMMUMAN_SOCKET", Service::socket(room().board()).c_str(), 1);
    const Ran ran = run(room().board(), "smmuman", words);
    EXPECT_EQ(ran.status, 0) << ran.output;
    EXPECT_EQ(global_status() >> 31, 1u) << "already contained";
    EXPECT_FALSE(room().writes(room().a(), memory_base));
    const pid_t service = who_serves(room().board());
    ASSERT_GT(service, 0);
    ClientProcess driver = room().driver();
    const Object object = driver.own(q35::edu_a);
    ASSERT_TRUE(driver.map(object, memory_base, page).done());
    EXPECT_TRUE(room().writes(room().a(), memory_base));
    ASSERT_EQ(kill(service, SIGTERM), 0);
    EXPECT_TRUE(eventually([&] { return who_serves(room().board()) == 0; }));
    EXPECT_TRUE(eventually([&] { return !room().writes(room().a(), memory_base); }));
    // And its status when it cannot: the same as in the foreground.
    words.back() = "nosuchkind";
    EXPECT_EQ(run(room().board(), "smmuman", words).status, 2);
}

}  // namespace
}  // namespace smmu::test
