// SPDX-License-Identifier: Apache-2.0
#include "platform/linux/host_drivers.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <sstream>

#include "platform/linux/pci_files.hpp"

namespace smmu::platform::linux {

namespace {

// Mount points by "major:minor" of what is mounted (proc(5), mountinfo).
std::map<std::string, std::string> mount_points(const HostFiles& files) {
    std::map<std::string, std::string> points;
    std::istringstream lines(files.text("/proc/self/mountinfo").value_or(""));
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::string mount, parent, device, root, point;
        if (words >> mount >> parent >> device >> root >> point) points.try_emplace(device, point);
    }
    return points;
}

// The function on which a device of some class hangs: the last one on the way to it.
std::optional<std::string> function_above(std::string_view path) {
    std::optional<std::string> function;
    while (!path.empty()) {
        const std::string_view part = path.substr(0, path.find('/'));
        path.remove_prefix(std::min(part.size() + 1, path.size()));
        if (function_named(part)) function = std::string(part);
    }
    return function;
}

std::string number_of(const HostFiles& files, const std::string& device) {
    std::string number = files.text(device + "/dev").value_or("");
    std::erase(number, '\n');
    return number;
}

// What hangs on each function, for a person: "nvme0n1p2: /", "eth0".
std::map<std::string, std::vector<std::string>> uses(const HostFiles& files) {
    std::map<std::string, std::vector<std::string>> found;
    const auto points = mount_points(files);
    for (const std::string_view kind : {"block", "net"}) {
        const std::string folder = fmt::format("/sys/class/{}", kind);
        for (const std::string& name : files.names(folder)) {
            const std::string device = fmt::format("{}/{}", folder, name);
            const auto function = function_above(files.resolved(device));
            if (!function) continue;
            const auto point = points.find(number_of(files, device));
            found[*function].push_back(point == points.end() ? name : fmt::format("{}: {}", name, point->second));
        }
    }
    return found;
}

}  // namespace

std::vector<HostDriver> host_drivers(const HostFiles& files) {
    std::vector<HostDriver> drivers;
    auto hanging = uses(files);
    for (const std::string& name : files.names(pci_folder)) {
        const auto function = function_named(name);
        std::string driver = files.link_name(fmt::format("{}/{}/driver", pci_folder, name));
        if (function && !driver.empty()) drivers.push_back({*function, std::move(driver), std::move(hanging[name])});
    }
    return drivers;
}

}  // namespace smmu::platform::linux
