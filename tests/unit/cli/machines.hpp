// SPDX-License-Identifier: Apache-2.0
// Machines: status values for the views: one as small as an emulated board, one as large as a server.
#pragma once

#include <fmt/format.h>

#include "report/status.hpp"

namespace smmu::test {

inline report::Unit make_unit(std::string name, std::uint64_t registers, std::uint32_t segment) {
    report::Unit unit;
    unit.name = std::move(name);
    unit.kind = "vtd";
    unit.registers = fmt::format("{:#x}-{:#x}", registers, registers + 0xfff);
    unit.origin = "DMAR+0x30";
    unit.segment = segment;
    unit.state = "contained";
    unit.version = "1.0";
    unit.mode = "second stage, 4 levels";
    unit.found = "off";
    unit.interrupts_remapped = true;
    unit.take_over_us = 1234;
    unit.spaces = 3;
    unit.spaces_possible = 65535;
    unit.register_values = {{"GSTS_REG", 0xc0000000}};
    return unit;
}

inline report::Device make_device(std::string id, std::string qnx_id, std::string description, std::uint32_t group,
                                  const std::string& unit, std::uint32_t stream) {
    report::Device device;
    device.id = std::move(id);
    device.qnx_id = std::move(qnx_id);
    device.description = std::move(description);
    device.origin = "PCI " + device.id;
    device.state = "blocked";
    device.group = group;
    if (!unit.empty()) device.streams = {{unit, "", stream, "DMAR+0x30 (all devices of segment 0), PCI " + device.id}};
    return device;
}

inline report::Event make_refusal(std::uint64_t sequence, const report::Device& device, std::string access,
                                  std::uint64_t address, std::string cause, std::uint64_t count = 1) {
    report::Event event;
    event.sequence = sequence;
    event.time_us = 1'000'000 + sequence * 250'000;
    event.unit = device.streams.empty() ? "" : device.streams.front().unit;
    event.stream = device.streams.empty() ? 0 : device.streams.front().id;
    event.device = device.id;
    event.access = std::move(access);
    event.address = address;
    event.cause = std::move(cause);
    event.count = count;
    event.owner = device.owner;
    event.raw = {0x1, 0x2, 0, 0};
    return event;
}

// One unit; a driver owns 00:03.0, 00:04.0 has startup memory, a bridge makes a group, one device is behind no unit.
inline report::Status small_machine() {
    const std::string unit = "vtd@fed90000";
    report::Status status;
    status.version = "0.1.0";
    status.platform = "board q35-vtd";
    status.generation = 1;
    status.start_us = 8'250;
    status.interrupts_forgeable = false;
    status.table_bytes = 4 << 20;
    status.table_bytes_used = 96 << 10;
    status.units = {make_unit(unit, 0xfed90000, 0)};

    const report::Owner driver{712, 1000, "edu_driver", 3};
    report::Device bridge_head = make_device("0000:00:00.0", "pci:0:0.0", "8086:29c0 class 060000", 0, unit, 0);
    bridge_head.is_bridge = true;
    report::Device owned = make_device("0000:00:03.0", "pci:0:3.0", "1234:11e8 class 00ff00", 1, unit, 0x18);
    owned.state = "contained";
    owned.owner = driver;
    owned.refused = 6;
    owned.registers = {{0xfe000000, 0xfe0fffff}};
    report::Device reserved = make_device("0000:00:04.0", "pci:0:4.0", "1234:11e8 class 00ff00", 2, unit, 0x20);
    reserved.state = "contained";
    reserved.refused = 5;
    reserved.grants = {{"reserved", 0x7d000000, 0x7d0fffff, "rw", true, "DMAR+0x78"},
                       {"reserved", 0x1000, 0x4fffffff, "rw", false, "DMAR+0x98"},
                       {"startup", 0x2000000, 0x200ffff, "r", true, "board.smmu:3:1"}};
    report::Device bridge = make_device("0000:00:06.0", "pci:0:6.0", "1b36:000e class 060400", 3, unit, 0x30);
    bridge.is_bridge = true;
    bridge.secondary = bridge.subordinate = 2;
    report::Device below_a = make_device("0000:02:01.0", "pci:2:1.0", "1234:11e8 class 00ff00", 3, unit, 0x200);
    report::Device below_b = make_device("0000:02:02.0", "pci:2:2.0", "1234:11e8 class 00ff00", 3, unit, 0x200);
    below_b.intent = "blocked";
    report::Device outside = make_device("mem:0xe6ef0000,0x1000", "mem:0xe6ef0000,0x1000", "", 4, "", 0);
    outside.state = "behind no unit";
    outside.origin = "board.smmu:7:1";
    status.devices = {bridge_head, owned, reserved, bridge, below_a, below_b, outside};

    report::Object object;
    object.id = 3;
    object.owner = driver;
    object.devices = {owned.id};
    object.mappings = {{0x2100000, 0x2100fff, 0x2100000, "rw", false}, {0x40000000, 0x400007ff, 0x2200000, "r", true}};
    object.exposed_by_rounding = 2048;
    object.table_frames = 5;
    status.objects = {object};
    status.findings = {{"reserved-not-honoured", "warning", "DMAR+0x98",
                        "The reserved region 0x1000-0x4fffffff of 0000:00:04.0 stays blocked: it is larger than 256 MiB."}};
    for (std::uint32_t group = 0; group < 5; ++group)
        status.groups.push_back({group, group == 3 ? "below 0000:00:06.0, which has no full access control" : ""});
    status.protected_memory = {{0xfed90000, 0xfed90fff, "registers of " + unit}, {0xfee00000, 0xfeefffff, "local interrupt controllers"}};
    status.superseded = {{reserved.id, "", "reserved region 0x5000-0x5fff", "DMAR+0xb8", "board.smmu:3:1"},
                         {"", unit, "unit vtd@fed90000 at 0xfed90000", "DMAR+0x30", "board.smmu:2:1"}};
    status.refusals = {
        make_refusal(1, reserved, "w", 0x3000010, "not-attached", 2),
        make_refusal(2, reserved, "w", 0x3001000, "not-attached"),
        make_refusal(3, reserved, "r", 0x3002ff8, "not-attached"),
        make_refusal(4, owned, "w", 0x5000000, "never-granted"),
        make_refusal(5, owned, "w", 0x40000010, "permission", 3),
        make_refusal(6, owned, "w", 0xfed90000, "protected"),
        make_refusal(7, reserved, "w", 0xfee00010, "not-attached"),
        make_refusal(8, below_b, "w", 0x3000000, "not-attached"),
        make_refusal(9, owned, "w", 0x2101000, "overrun"),
    };
    status.transgressions = 12;
    return status;
}

// Four units in two segments, sixty devices, bridges in bridges, every state.
inline report::Status big_machine() {
    report::Status status;
    status.version = "0.1.0";
    status.platform = "linux";
    status.start_us = 21'000;
    status.table_bytes = 64 << 20;
    status.table_bytes_used = 9 << 20;
    status.transgressions = 4711;
    for (std::uint32_t i = 0; i < 4; ++i)
        status.units.push_back(make_unit(fmt::format("vtd@{:x}", 0xc5ffc000 + i * 0x10000), 0xc5ffc000 + i * 0x10000, i / 2));
    status.units[3].state = "failed";
    status.units[3].problem = "vtd@c602c000 did not confirm a flush";

    std::uint32_t group = 0;
    const auto add = [&](std::uint32_t segment, std::uint32_t bus, std::uint32_t device, std::uint32_t function,
                         const std::string& what, bool own_group) -> report::Device& {
        group += own_group ? 1 : 0;
        const std::size_t unit = segment * 2 + (bus >= 0x40 ? 1 : 0);
        status.devices.push_back(make_device(fmt::format("{:04x}:{:02x}:{:02x}.{}", segment, bus, device, function),
                                             fmt::format("pci:{}:{}:{}.{}", segment, bus, device, function), what, group,
                                             status.units[unit].name, bus << 8 | device << 3 | function));
        if (unit == 3) status.devices.back().state = "failed";
        return status.devices.back();
    };
    for (std::uint32_t segment = 0; segment < 2; ++segment)
        for (const std::uint32_t root : {0x00u, 0x40u}) {
            add(segment, root, 0, 0, "8086:09a2 class 088000", true);
            for (std::uint32_t port = 1; port <= 4; ++port) {
                report::Device& bridge = add(segment, root, port, 0, "8086:347a class 060400", true);
                bridge.is_bridge = true;
                bridge.secondary = root + port * 4;
                bridge.subordinate = bridge.secondary + 3;
                const bool shared = port == 2;  // a switch without access control: one group
                for (std::uint32_t function = 0; function < (port == 3 ? 4u : 2u); ++function) {
                    report::Device& device = add(segment, root + port * 4, 0, function,
                                                 port == 1 ? "8086:1592 class 020000" : "144d:a80a class 010802", !shared);
                    if (device.state == "failed") continue;
                    if (port == 1) {
                        device.state = "contained";
                        device.owner = {1000 + root + port, 990, function == 0 ? "network_driver_with_a_long_name" : "vmm",
                                        function + 1 + root};
                        device.refused = function * 17;
                    }
                    if (port == 3 && function == 0) {
                        device.state = "host";
                        device.intent = "host";
                    }
                    if (port == 4) {
                        device.state = "contained";
                        device.grants = {{"reserved", 0x7b000000, 0x7b7fffff, "rw", true, "DMAR+0x120"},
                                         {"startup", 0x100000, 0x1fffff, "rw", true, "machine.smmu:4:1"}};
                    }
                }
            }
        }
    report::Device outside = make_device("0001:7f:00.0", "pci:1:127:0.0", "8086:3456 class 088000", ++group, "", 0);
    outside.state = "behind no unit";
    status.devices.push_back(outside);
    for (std::uint32_t i = 0; i <= group; ++i) status.groups.push_back({i, ""});
    for (const report::Device& device : status.devices)
        if (device.is_bridge && (device.secondary & 0x3f) == 8)
            status.groups[device.group].reason = "below " + device.id + ", which has no full access control";
    for (const std::uint32_t number : {1u, 2u, 0x41u, 0x42u}) {
        report::Object object;
        object.id = number;
        for (const report::Device& device : status.devices)
            if (device.owner.pid != 0 && device.owner.object == number) {
                object.owner = device.owner;
                object.devices.push_back(device.id);
            }
        object.mappings = {{0x100000000, 0x13fffffff, 0x500000000, "rw", number % 2 == 0}};
        status.objects.push_back(object);
    }
    for (const report::Unit& unit : status.units)
        status.protected_memory.push_back({0xc5ffc000, 0xc5ffcfff, "registers of " + unit.name});
    return status;
}

}  // namespace smmu::test
