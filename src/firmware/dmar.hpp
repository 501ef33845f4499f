// SPDX-License-Identifier: Apache-2.0
// Dmar: the VT-d description of a machine as plain facts (VT-d 5.10, chapter 8). What is not sound
// is dropped with a finding; whatever hangs together with other tables or with the PCI tree is left
// to the survey.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/range.hpp"
#include "base/result.hpp"
#include "topology/topology.hpp"

namespace smmu::firmware {

// No machine has as many; a table that names more is damaged.
inline constexpr std::size_t most_dmar_units = 1024;

enum class ScopeType : std::uint8_t {
    endpoint = 1,
    bridge = 2,  // the bridge and all below it
    io_apic = 3,
    hpet = 4,
    name_space = 5,  // a device that only the ACPI name space knows
};

struct PathHop {
    std::uint8_t device;
    std::uint8_t function;
};

struct DeviceScope {
    ScopeType type;
    std::uint8_t enumeration_id;
    std::uint8_t start_bus;
    std::vector<PathHop> path;  // never empty
    topology::Origin origin;
};

struct Drhd {
    bool include_all = false;  // takes every function of its segment that no other unit names
    std::uint16_t segment = 0;
    PhysRange registers;
    bool size_given = false;  // the size byte is not 0: newer tables
    std::vector<DeviceScope> scopes;
    topology::Origin origin;
};

struct Rmrr {
    std::uint16_t segment = 0;
    PhysRange range;
    std::vector<DeviceScope> scopes;
    topology::Origin origin;
};

// ATSR: root ports below which devices may translate themselves. SATC: devices with such a cache in
// the chip.
struct AtsList {
    bool flag = false;  // ATSR: all ports; SATC: needed for the device to work
    std::uint16_t segment = 0;
    std::vector<DeviceScope> scopes;
    topology::Origin origin;
};

struct Rhsa {
    PhysAddr base;
    std::uint32_t proximity_domain = 0;
    topology::Origin origin;
};

struct Andd {
    std::uint8_t device_number = 0;
    std::string path;
    topology::Origin origin;
};

struct Dmar {
    unsigned host_address_width = 0;
    bool interrupt_remapping = false;
    bool x2apic_opt_out = false;
    bool keep_dma_protected = false;  // DMA_CTRL_PLATFORM_OPT_IN
    std::vector<Drhd> units;
    std::vector<Rmrr> reserved;
    std::vector<AtsList> root_ports;  // ATSR
    std::vector<Rhsa> proximity;
    std::vector<Andd> names;
    std::vector<AtsList> chip_devices;  // SATC
    std::vector<AtsList> properties;    // SIDP: only its scopes are read
    std::vector<topology::Finding> findings;
};

// EINVAL when the table as a whole cannot be trusted; the text says why.
Result<Dmar> parse_dmar(std::span<const std::byte> bytes);

}  // namespace smmu::firmware
