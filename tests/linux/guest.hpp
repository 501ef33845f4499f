// SPDX-License-Identifier: Apache-2.0
// Guest: a stock Debian kernel in QEMU, with programs of the build and a shell script that it runs.
// See tests/guest/README.md for what the script finds there.
//
//   const auto ended = test::Guest{.words = "intel_iommu=off", .programs = {"smmuctl"}}.run(
//       "smmuctl --json tables >/results/tables.json");
//   EXPECT_EQ(ended.status, 0) << ended.console;
//   parse(ended.results.at("tables.json"));
#pragma once

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "tests/program.hpp"

namespace smmu::test {

struct Ended {
    static constexpr int at_deadline = 124;  // QEMU was ended
    static constexpr int no_result = 125;    // a panic, or the guest could not begin

    int status = no_result;  // the script's
    std::string console{};
    std::map<std::string, std::string> results{};  // what the script left in /results, by name
    std::string said{};                            // by tests/guest/guest.py: what went wrong
};

struct Guest {
    std::string architecture = "amd64";
    bool system = false;                  // with systemd, journal, dbus and dpkg
    std::string words{};                  // for the kernel
    std::vector<std::string> programs{};  // of the build, by name
    std::vector<std::pair<std::string, std::string>> files{};  // path here, path there
    std::vector<std::string> modules{};  // of the kernel, loaded before the script
    std::vector<std::string> devices{};  // for QEMU, beside the edu at 00:03.0
    bool disk_and_network = false;        // at 00:05.0 and 00:06.0, driven by the kernel
    std::chrono::seconds deadline{500};  // sanitizers, loaded machines

    // Boots, runs the script and switches off. The status is no_result when the script did not end.
    Ended run(const std::string& script) const {
        std::string place = std::filesystem::temp_directory_path() / "smmu-guest-XXXXXX";
        if (mkdtemp(place.data()) == nullptr) throw std::runtime_error("no temporary directory");
        std::filesystem::create_directory(place + "/results");
        Program program = Program::start(SMMU_SOURCE_DIR "/tests/guest/guest.py",
                                         options(place, script), place + "/said");
        constexpr std::chrono::minutes preparing{15};  // the first time packages are downloaded
        const auto status = program.wait_for_end(deadline + preparing);
        Ended ended{.status = status.value_or(Ended::at_deadline),
                    .console = text(place + "/console"),
                    .results = {},
                    .said = text(place + "/said")};
        for (const auto& entry : std::filesystem::recursive_directory_iterator(place + "/results"))
            if (entry.is_regular_file())
                ended.results[entry.path().lexically_relative(place + "/results")] =
                    text(entry.path());
        program.end(SIGKILL);
        std::filesystem::remove_all(place);
        return ended;
    }

private:
    std::vector<std::string> options(const std::string& place, const std::string& script) const {
        const bool native = architecture == "amd64";
        const std::string build =
            native ? SMMU_BINARY_DIR "/bin/" : SMMU_SOURCE_DIR "/build/" + architecture + "/bin/";
        std::vector<std::string> all = {"--architecture=" + architecture, "--words=" + words,
                                        "--seconds=" + std::to_string(deadline.count()),
                                        "--console=" + place + "/console",
                                        "--results=" + place + "/results"};
        if (system) all.push_back("--system");
        if (disk_and_network) all.insert(all.end(), {"--disk=16", "--network"});
        for (const std::string& name : programs) all.push_back("--program=" + build + name);
        for (const auto& [here, there] : files) all.push_back("--file=" + here + "=" + there);
        for (const std::string& name : modules) all.push_back("--module=" + name);
        for (const std::string& device : devices) all.push_back("--device=" + device);
        all.push_back(script);
        return all;
    }
    static std::string text(const std::filesystem::path& path) {
        std::ifstream file(path, std::ios::binary);
        return {std::istreambuf_iterator<char>(file), {}};
    }
};

inline void PrintTo(const Ended& ended, std::ostream* out) {
    *out << "status " << ended.status << ", " << ended.said << "\nconsole:\n" << ended.console;
}

}  // namespace smmu::test
