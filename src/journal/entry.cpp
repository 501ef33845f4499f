// SPDX-License-Identifier: Apache-2.0
#include "journal/entry.hpp"

#include <fmt/format.h>
#include <syslog.h>

#include "cli/advice.hpp"
#include "cli/phrases.hpp"

namespace smmu::journal {

namespace {

// As in packaging/smmuman.catalog, for ever: administrators search for them.
constexpr const char* refused_id = "7f78cea8d55e4a56b0128edcfc26204a";
constexpr const char* device_gone_id = "ebddeb5674244a9bbd3cf1780a2db697";
constexpr const char* lost_id = "7bc040f3ab764c84a51a373392c56dd5";

bool is_gone(const report::Event& event) { return event.cause == "device-gone"; }

int priority(const report::Event& event) {
    if (event.cause == "unit-configuration") return LOG_ERR;  // the service's own fault
    return is_gone(event) ? LOG_NOTICE : LOG_WARNING;
}

// "-" stands for no known device.
bool is_known(const std::string& device) { return device != "-"; }

}  // namespace

Entry entry_of(const report::Event& event) {
    const std::string who = is_known(event.device) ? event.device : fmt::format("a device unknown to {}", event.unit);
    Entry entry{fmt::format("MESSAGE={}: {}", who, cli::refusal_text(event)),
                fmt::format("MESSAGE_ID={}", is_gone(event) ? device_gone_id : refused_id),
                fmt::format("PRIORITY={}", priority(event)),
                fmt::format("SMMU_UNIT={}", event.unit),
                fmt::format("SMMU_CAUSE={}", event.cause),
                fmt::format("SMMU_SEQ={}", event.sequence),
                fmt::format("SMMU_COUNT={}", event.count)};
    if (is_known(event.device)) entry.push_back("SMMU_DEVICE=" + event.device);
    if (!event.access.empty()) entry.push_back("SMMU_ACCESS=" + cli::access_words(event.access));
    if (event.address_known) entry.push_back(fmt::format("SMMU_ADDRESS={:#x}", event.address));
    if (event.stream_known) entry.push_back(fmt::format("SMMU_STREAM={:#x}", event.stream));
    if (event.owner.pid != 0) {
        entry.push_back(fmt::format("SMMU_OWNER_PID={}", event.owner.pid));
        entry.push_back(fmt::format("SMMU_OWNER_UID={}", event.owner.uid));
        entry.push_back(fmt::format("SMMU_OWNER_OBJECT={}", event.owner.object));
    }
    return entry;
}

Entry entry_of_loss(const report::Event& event) {
    return {fmt::format("MESSAGE=refused accesses before number {} were lost", event.sequence),
            fmt::format("MESSAGE_ID={}", lost_id), fmt::format("PRIORITY={}", LOG_WARNING),
            fmt::format("SMMU_SEQ={}", event.sequence)};
}

std::string value(const Entry& entry, const std::string& field) {
    for (const std::string& line : entry)
        if (line.starts_with(field + '=')) return line.substr(field.size() + 1);
    return {};
}

}  // namespace smmu::journal
