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

auto units_in_state(const Status& status, const char* state) {
    return std::ranges::count(status.units, std::string(state), &Unit::state);
}
auto units_that_count(const Status& status) {
    return std::ssize(status.units) - units_in_state(status, "no answer");
}

}  // namespace

std::string amount(std::uint64_t bytes) {
    if (bytes >= 1 << 30 && bytes % (1 << 30) == 0) return fmt::format("{} GiB", bytes >> 30);
    if (bytes >= 1 << 20) return fmt::format("{} MiB", bytes >> 20);
    if (bytes >= 1 << 10) return fmt::format("{} KiB", bytes >> 10);
    return fmt::format("{} bytes", bytes);
}

bool all_contained(const Status& status) {
    return units_in_state(status, "contained") == units_that_count(status);
}

std::string headline(const Status& status) {
    std::string text = fmt::format("{} of {} units contained · {} devices", units_in_state(status, "contained"),
                                   units_that_count(status), status.devices.size());
    const char* separator = ": ";
    for (const char* state : {"contained", "host", "blocked", "failed", "not contained", "gone", "behind no unit"}) {
        const auto count = std::ranges::count(status.devices, std::string(state), &Device::state);
        if (count == 0) continue;
        text += fmt::format("{}{} {}", separator, count, state);
        separator = ", ";
    }
    return text + fmt::format(" · {} opened by firmware", amount(opened_by_firmware(status)));
}

}  // namespace smmu::report
