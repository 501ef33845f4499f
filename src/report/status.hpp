// SPDX-License-Identifier: Apache-2.0
// Status: what the service says about itself, as plain values. The service fills them in, the command line
// reads them back; JSON is written and read in one place (json.cpp) for both.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace smmu::report {

struct Owner {
    std::int64_t pid = 0;  // 0: nobody
    std::int64_t uid = 0;
    std::string command;
    std::uint32_t object = 0;
};

struct NamedValue {
    std::string name;
    std::uint64_t value = 0;
};

struct Range {
    std::uint64_t first = 0, last = 0;
};

struct Unit {
    std::string name, kind, registers, origin;
    std::uint32_t segment = 0;
    std::string state;  // "contained", "failed", "not programmed", "no answer" (not there: does not count)
    std::string version, mode, found, problem;
    bool interrupts_remapped = false;
    std::uint64_t take_over_us = 0, pause_us = 0;
    std::uint64_t spaces = 0, spaces_possible = 0, commands = 0, flushes = 0;
    std::vector<NamedValue> register_values;
};

struct Stream {
    std::string unit;
    std::string cache;  // of an IPMMU: the cache unit that has the micro-TLB `id`; else empty
    std::uint32_t id = 0;
    std::string origin;
};

// Memory that a device may reach whoever owns it.
struct FirmwareGrant {
    std::string kind;  // "reserved", "startup", "doorbell"
    std::uint64_t first = 0, last = 0;
    std::string access;
    bool honoured = true;
    std::string origin;
};

struct Device {
    std::string id, qnx_id, description, origin;
    std::string state;  // "contained", "blocked", "host", "behind no unit"
    std::string intent;  // what the configuration says of it: "host", "blocked" (refusing is intended) or nothing
    bool is_bridge = false;
    std::uint32_t secondary = 0, subordinate = 0;  // of a bridge: the buses behind it; 0: none
    std::uint32_t group = 0;
    std::vector<Stream> streams;
    std::vector<Range> registers;
    std::vector<FirmwareGrant> grants;
    Owner owner;
    std::uint64_t refused = 0;
};

struct Mapping {
    std::uint64_t first = 0, last = 0, physical = 0;
    std::string access;
    bool by_fd = false;
};

struct Object {
    std::uint32_t id = 0;
    Owner owner;
    std::vector<std::string> devices;
    std::vector<Mapping> mappings;
    std::uint64_t mappings_left_out = 0;  // more than one document holds
    std::uint64_t exposed_by_rounding = 0, table_frames = 0;
};

struct Finding {
    std::string id, severity, origin, text;
};

// Devices that hardware cannot tell apart, or that can reach each other without passing a unit.
struct Group {
    std::uint32_t id = 0;
    std::string reason;  // empty for a group of one
};

// Memory that no mapping of any origin may reach.
struct Protected {
    std::uint64_t first = 0, last = 0;
    std::string what;
};

// A fact about a device or, without one, about a unit that lost against another.
struct Superseded {
    std::string device, unit, fact, origin, by;
};

// A refused access.
struct Event {
    std::uint64_t sequence = 0;
    std::uint64_t time_us = 0;  // monotonic clock of the machine the service runs on
    std::string unit, device, access, cause;
    std::uint32_t stream = 0;
    std::uint64_t address = 0;
    bool address_known = true;
    bool stream_known = true;
    std::uint64_t count = 1;
    std::uint64_t since_removal_us = 0;
    Owner owner;
    std::vector<std::uint64_t> raw;
};

struct Status {
    std::string version, platform;
    std::uint32_t generation = 0;  // instances of the service since the machine started, this one included
    std::uint64_t start_us = 0;    // from start to contained
    bool interrupts_forgeable = true;
    std::uint64_t table_bytes = 0, table_bytes_used = 0;
    std::uint64_t transgressions = 0, lost_by_hardware = 0;
    std::vector<Unit> units;
    std::vector<Device> devices;
    std::vector<Object> objects;
    std::vector<Finding> findings;
    std::vector<Group> groups;
    std::vector<Protected> protected_memory;
    std::vector<Superseded> superseded;
    std::vector<Event> refusals;  // the last ones, repeats counted, oldest first
};

std::string to_json(const Status& status);
std::string to_json(const Event& event);  // one line
// False when the text is not what to_json writes; `why` says what is wrong with it. Members that an older service did not
// know are empty.
bool from_json(const std::string& text, Status& status, std::string& why);

// "66 MiB", "4 KiB", "17 bytes": rounded down; GiB only when there is nothing to round.
std::string amount(std::uint64_t bytes);
// Every unit that is there refuses what was not granted.
bool all_contained(const Status& status);
// "3 of 3 units contained · 12 devices: 9 contained, 1 host, 2 blocked · 66 MiB opened by firmware"
std::string headline(const Status& status);

}  // namespace smmu::report
