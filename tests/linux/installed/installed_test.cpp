// SPDX-License-Identifier: Apache-2.0
// The Debian packages in a guest with systemd, a disk and a network card behind the unit: installation, check, trial, enabling,
// transgressions in the journal, restart, hostile programs, upgrade, a kill, removal. One guest runs installed.sh; each test
// reads what it left.
#include <gmock/gmock.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "tests/linux/guest.hpp"

namespace smmu::test {
namespace {

using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;

const std::string off = "00000000\n";
constexpr const char* packages = SMMU_SOURCE_DIR "/build/packages-clang";  // tests/packages/packages.sh
constexpr const char* all_was_right = "granted: arrived\nnot granted: refused\ngiven back behind the service's back: held\n";

std::string text_of(const std::filesystem::path& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

class Installed : public testing::Test {
protected:
    static void SetUpTestSuite() {
        Guest guest{.system = true, .words = "intel_iommu=off intremap=off hugepages=40", .programs = {"guest_probe", "host_edu", "hostile"}};
        guest.disk_and_network = true;
        guest.deadline = std::chrono::minutes(20);
        for (const auto& entry : std::filesystem::recursive_directory_iterator(packages)) {
            const std::string name = entry.path().filename();
            const bool is_next = entry.path().parent_path() != packages;
            if (name.ends_with(".deb") && !name.starts_with("smmu-board") && !name.starts_with("libsmmu-dev"))
                guest.files.emplace_back(entry.path(), (is_next ? "root/next/" : "root/packages/") + name);
        }
        const std::string script = text_of(SMMU_SOURCE_DIR "/tests/linux/installed/installed.sh");
        ended_ = guest.run((is_long() ? "LONG=1\n" : "") + script);
        ASSERT_EQ(result("end"), "complete\n") << testing::PrintToString(ended_);
    }
    static bool is_long() { return std::getenv("LONG") != nullptr; }
    static std::string result(const std::string& name) { return ended_.results[name]; }
    static std::string errors(const std::string& name) { return ended_.results[name + ".errors"]; }
    static std::string status(const std::string& name) { return ended_.results[name + ".status"]; }
    static std::string all(const std::string& name) { return result(name) + errors(name) + status(name); }
    static bool translates(const std::string& name) { return (std::stoul("0" + result(name), nullptr, 16) & 0x80000000u) != 0; }
    static inline Ended ended_;
};

TEST_F(Installed, InstallationChangesNothing) {
    EXPECT_EQ(result("before/wild"), "OVERWRITTEN\n") << "without the service nothing stops a device; " << all("before/wild");
    EXPECT_EQ(status("install/dpkg"), "0\n") << all("install/dpkg");
    EXPECT_THAT(result("install/dpkg"), HasSubstr("smmuman --check platform linux"));
    EXPECT_EQ(result("install/enabled"), "disabled\nenabled\nstatic\n") << "the log comes with the service, the holder when it is wanted";
    EXPECT_EQ(result("install/active"), "inactive\ninactive\ninactive\n");
    EXPECT_FALSE(translates("install/unit"));
    EXPECT_EQ(result("install/unit"), result("before/unit"));
}

TEST_F(Installed, ServicesAreConfined) {
    std::istringstream lines(result("install/security"));
    int services = 0;
    for (std::string line; std::getline(lines, line);) {
        const auto found = line.find("Overall exposure level for ");
        if (found == std::string::npos) continue;
        ++services;
        std::cout << line.substr(found) << '\n';
        EXPECT_LE(std::stod(line.substr(line.find(": ") + 2)), 3.0) << line;
    }
    EXPECT_EQ(services, 3) << all("install/security");
}

TEST_F(Installed, AStartThatCutsTheDiskOffIsRefused) {
    EXPECT_EQ(result("refused/status"), "2\n");
    EXPECT_THAT(result("refused/journal"), AllOf(HasSubstr("0000:00:05.0 is used by nvme, with nvme0n1: /disk: add `device 0000:00:05.0 host`"),
                                                 HasSubstr("0000:00:06.0 is used by virtio-pci, with eth0: add `device 0000:00:06.0 host`")));
    EXPECT_FALSE(translates("refused/unit"));
}

TEST_F(Installed, WhatTheCheckPrintsCanBePasted) {
    EXPECT_EQ(status("check/machine"), "2\n");
    EXPECT_THAT(result("check/machine"), AllOf(HasSubstr("\ndevice 0000:00:05.0 "), HasSubstr("\ndevice 0000:00:06.0 ")));
    EXPECT_THAT(errors("check/machine"), AllOf(HasSubstr("nvme"), HasSubstr("eth0")));
    EXPECT_THAT(status("check/pasted"), testing::AnyOf("0\n", "1\n")) << all("check/pasted");
}

TEST_F(Installed, ATrialContainsAndGoesBack) {
    EXPECT_EQ(result("before/devices"), "work\n") << all("before/devices");
    EXPECT_TRUE(translates("trial/unit")) << result("trial-said");
    EXPECT_EQ(result("trial/devices"), "work\n") << all("trial/devices");
    EXPECT_EQ(status("trial/end"), "4\n") << result("trial-said");
    EXPECT_FALSE(translates("trial/unit_after"));
}

TEST_F(Installed, ItIsReadyWhenItContains) {
    EXPECT_EQ(status("enable/start"), "0\n") << all("enable/start");
    EXPECT_TRUE(translates("enable/unit"));
    EXPECT_THAT(result("enable/text"), HasSubstr("contained 1 of 1 units"));
    EXPECT_EQ(result("enable/devices"), "work\n") << all("enable/devices");
    EXPECT_EQ(result("enable/log"), "active\n");
}

TEST_F(Installed, TransgressionsAreInTheJournal) {
    EXPECT_EQ(result("copy"), all_was_right) << all("copy");
    const auto record = nlohmann::json::parse(result("journal/record"), nullptr, false);
    ASSERT_FALSE(record.is_discarded()) << all("journal/record");
    const auto field = [&](const char* name) { return record.value(name, ""); };
    EXPECT_EQ(field("SMMU_DEVICE"), "0000:00:03.0");
    EXPECT_EQ(field("SMMU_ADDRESS"), "0x100000");
    EXPECT_EQ(field("SMMU_ACCESS"), "write");
    EXPECT_EQ(field("SMMU_CAUSE"), "overrun");
    EXPECT_EQ(field("SMMU_SEQ"), "1");
    EXPECT_NE(field("SMMU_UNIT"), "");
    EXPECT_GT(std::atoi(field("SMMU_OWNER_PID").c_str()), 1);
    EXPECT_THAT(result("journal/explained"), AllOf(HasSubstr("A device was refused access to memory"), HasSubstr("smmuctl explain 0000:00:03.0")));
}

TEST_F(Installed, AReloadOfNonsenseFailsAndChangesNothing) {
    EXPECT_EQ(status("reload/good"), "0\n") << all("reload/good");
    EXPECT_EQ(status("reload/nonsense"), "1\n");
    EXPECT_EQ(result("reload/active"), "active\n");
}

TEST_F(Installed, ARestartAdopts) {
    EXPECT_EQ(status("restart/restart"), "0\n") << all("restart/restart");
    EXPECT_TRUE(translates("restart/unit"));
    EXPECT_THAT(result("restart/status"), HasSubstr("1 of 1 units contained"));
    EXPECT_EQ(result("load"), "") << "disk and network worked all the time; " << result("kernel");
}

TEST_F(Installed, HostileProgramsAchieveNothing) {
    for (const std::string task : {"packets", "descriptors", "memory", "deaths", "crowd"})
        EXPECT_EQ(status("hostile/" + task), "0\n") << task << ": " << all("hostile/" + task);
    EXPECT_EQ(result("hostile/copy"), all_was_right) << all("hostile/copy");
    EXPECT_EQ(status("hostile/same_service"), "0\n");
    EXPECT_EQ(result("free_after"), result("free_before")) << "all their memory is free again";
}

TEST_F(Installed, AnUpgradeTouchesNothing) {
    EXPECT_EQ(status("upgrade/dpkg"), "0\n") << all("upgrade/dpkg");
    EXPECT_THAT(result("upgrade/dpkg"), HasSubstr("systemctl restart smmuman"));
    EXPECT_EQ(status("upgrade/same_service"), "0\n");
    EXPECT_TRUE(translates("upgrade/unit"));
}

TEST_F(Installed, AKilledServiceIsStartedAgainAndContains) {
    EXPECT_EQ(status("killed/again"), "0\n") << result("killed/journal");
    EXPECT_TRUE(translates("killed/unit"));
    EXPECT_THAT(result("killed/journal"), HasSubstr("safe state: vtd@fed90000: clients are blocked, startup mappings stay"));
    EXPECT_EQ(result("killed/copy"), all_was_right) << all("killed/copy");
    if (!is_long()) return;
    EXPECT_EQ(status("hung/again"), "0\n") << "the watchdog ends a service that hangs";
    EXPECT_EQ(result("hung/copy"), all_was_right) << all("hung/copy");
}

TEST_F(Installed, AfterRemovalUnitsGoOnRefusing) {
    EXPECT_EQ(status("remove/dpkg"), "0\n") << all("remove/dpkg");
    EXPECT_THAT(result("remove/dpkg"), HasSubstr("go on refusing what was not granted, until this machine starts anew"));
    EXPECT_EQ(status("remove/holder"), "0\n") << "what the unit walks is still kept";
    EXPECT_NE(status("remove/holder_stop"), "0\n");
    EXPECT_EQ(result("remove/holder_active"), "active\n");
    EXPECT_TRUE(translates("remove/unit"));
    EXPECT_EQ(result("remove/wild"), "refused\n") << all("remove/wild");
    EXPECT_EQ(result("remove/devices"), "work\n") << all("remove/devices");
}

}  // namespace
}  // namespace smmu::test
