// SPDX-License-Identifier: Apache-2.0
// TableListing: what firmware tables say, as plain values: for people who look at a dump without its machine.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "report/status.hpp"

namespace smmu::report {

struct ListedUnit {
    std::string kind;  // "vtd", ...
    std::uint64_t registers = 0;
    std::uint64_t register_bytes = 0;  // 0: what the table says cannot be
    std::uint16_t segment = 0;
    bool supported = true;  // this build drives the kind
    bool takes_the_rest = false;  // of its segment: every function that no other unit names
    std::string origin;
};

struct ListedStream {
    std::string unit;  // as a service would name it
    std::uint32_t first = 0, last = 0;
};

struct ListedDevice {
    std::optional<std::string> id;  // nothing: bus numbers on the way are known to the machine only
    std::string path;               // "0000:00 1c.0 00.0": segment, first bus, hops; "0000:0000-00ff": segment, requester
                                    // ids; or the name ACPI gives
    std::string type;               // "endpoint", "bridge", "ioapic", "hpet", "namespace", "requesters"
    std::vector<ListedStream> streams;
    std::string origin;
};

struct ListedReserved {
    std::uint64_t first = 0, last = 0;
    std::vector<std::string> devices;  // ids, paths where there is none, or streams where the table names those
    std::string origin;
};

struct ListedWindow {
    std::uint16_t segment = 0;
    unsigned first_bus = 0, last_bus = 0;
    std::uint64_t base = 0;  // of bus 0
    std::string origin;
};

// Registers that no device may reach, or the page that one writes to raise an interrupt.
struct ListedFrame {
    std::string what;  // "distributor", "interrupt translation service", "message frame", "counters", ...
    bool doorbell = false;
    std::uint64_t first = 0, last = 0;
    std::string origin;
};

struct TableListing {
    std::vector<ListedUnit> units;
    std::vector<ListedDevice> devices;
    std::vector<ListedReserved> reserved;
    std::vector<ListedWindow> windows;  // PCI configuration space
    std::vector<ListedFrame> frames;    // of interrupt controllers, and counters of units
    std::vector<Finding> findings;
};

// docs/json.md, "The table listing".
std::string to_json(const TableListing& listing);

}  // namespace smmu::report
