// SPDX-License-Identifier: Apache-2.0
#include "platform/linux/host_drivers.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <set>
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

// "e6ee0000.ethernet": devices from a device tree are called by where their registers begin.
std::optional<PhysAddr> registers_in(std::string_view name) {
    std::uint64_t value = 0;
    const auto [end, problem] = std::from_chars(name.data(), name.data() + name.size(), value, 16);
    if (problem != std::errc{} || !name.substr(std::size_t(end - name.data())).starts_with('.')) return std::nullopt;
    return PhysAddr{value};
}

// The names on the way to a device of some class that it may hang on: of PCI functions the last one, bridges being before it, and
// whatever else there is, since a controller may have a child that does the work.
std::vector<std::string> names_above(std::string_view path) {
    std::vector<std::string> names;
    std::string function;
    while (!path.empty()) {
        const std::string_view part = path.substr(0, path.find('/'));
        path.remove_prefix(std::min(part.size() + 1, path.size()));
        if (function_named(part))
            function = part;
        else
            names.emplace_back(part);
    }
    if (!function.empty()) names.push_back(std::move(function));
    return names;
}

// The devices and functions on which a device of some class hangs. A volume hangs on what it is made of; a disk with several ways to
// it, which is below no function itself, on the controllers of its subsystem.
std::set<std::string> carriers_of(const HostFiles& files, const std::string& device, unsigned depth = 0) {
    constexpr unsigned deepest = 8;  // volumes upon volumes
    constexpr std::string_view subsystems = "/nvme-subsystem/";
    const std::string path = files.resolved(device);
    const auto above = names_above(path);
    std::set<std::string> found(above.begin(), above.end());
    if (depth == deepest) return found;
    for (const std::string& part : files.names(device + "/slaves"))
        found.merge(carriers_of(files, "/sys/class/block/" + part, depth + 1));
    const auto at = path.find(subsystems);
    if (at == std::string::npos) return found;
    const std::string subsystem = path.substr(0, path.find('/', at + subsystems.size()));
    for (const std::string& name : files.names(subsystem))
        for (const std::string& carrier : names_above(files.resolved(fmt::format("{}/{}", subsystem, name)))) found.insert(carrier);
    return found;
}

// One way to a disk with several is no disk of its own.
bool is_hidden(const HostFiles& files, const std::string& device) { return files.number(device + "/hidden").value_or(0) != 0; }

std::string number_of(const HostFiles& files, const std::string& device) {
    std::string number = files.text(device + "/dev").value_or("");
    std::erase(number, '\n');
    return number;
}

// What hangs on each device, for a person: "nvme0n1p2: /", "eth0".
std::map<std::string, std::vector<std::string>> uses(const HostFiles& files) {
    std::map<std::string, std::vector<std::string>> found;
    const auto points = mount_points(files);
    for (const std::string_view kind : {"block", "net"}) {
        const std::string folder = fmt::format("/sys/class/{}", kind);
        for (const std::string& name : files.names(folder)) {
            const std::string device = fmt::format("{}/{}", folder, name);
            if (is_hidden(files, device)) continue;
            const auto point = points.find(number_of(files, device));
            const std::string use = point == points.end() ? name : fmt::format("{}: {}", name, point->second);
            for (const std::string& carrier : carriers_of(files, device)) found[carrier].push_back(use);
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

std::vector<HostBlock> host_blocks(const HostFiles& files) {
    constexpr std::string_view folder = "/sys/bus/platform/devices";
    std::vector<HostBlock> blocks;
    auto hanging = uses(files);
    for (const std::string& name : files.names(folder)) {
        const std::string at = fmt::format("{}/{}", folder, name);
        HostBlock block;
        block.driver = files.link_name(at + "/driver");
        if (!files.link_name(at + "/of_node").empty()) block.registers = registers_in(name);
        block.acpi_path = files.text(at + "/firmware_node/path").value_or("");
        std::erase(block.acpi_path, '\n');
        block.uses = std::move(hanging[name]);
        if (!block.driver.empty() && (block.registers || !block.acpi_path.empty())) blocks.push_back(std::move(block));
    }
    return blocks;
}

}  // namespace smmu::platform::linux
