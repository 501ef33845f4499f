// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>

#include "report/status.hpp"

namespace smmu::report {

namespace {

std::uint64_t opened_by_firmware(const Status& status) {
    std::uint64_t bytes = 0;
    for (const Device& device : status.devices)
        for (const FirmwareGrant& grant : device.grants)
            if (grant.honoured && grant.kind != "startup") bytes += grant.last - grant.first + 1;
    return bytes;
}

std::string amount(std::uint64_t bytes) {
    if (bytes >= 1 << 20) return fmt::format("{} MiB", bytes >> 20);
    if (bytes >= 1 << 10) return fmt::format("{} KiB", bytes >> 10);
    return fmt::format("{} bytes", bytes);
}

}  // namespace

std::string headline(const Status& status) {
    const auto contained = std::ranges::count(status.units, std::string("contained"), &Unit::state);
    std::string text = fmt::format("{} of {} units contained · {} devices", contained, status.units.size(),
                                   status.devices.size());
    const char* separator = ": ";
    for (const char* state : {"contained", "host", "blocked", "behind no unit"}) {
        const auto count = std::ranges::count(status.devices, std::string(state), &Device::state);
        if (count == 0) continue;
        text += fmt::format("{}{} {}", separator, count, state);
        separator = ", ";
    }
    return text + fmt::format(" · {} opened by firmware", amount(opened_by_firmware(status)));
}

}  // namespace smmu::report
