// SPDX-License-Identifier: Apache-2.0
// DeviceTree: what a flattened device tree says of units, of the masters behind them, of PCI host bridges and of
// memory, as plain facts. What is not sound is dropped with a finding; what fits together is the survey's question.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/range.hpp"
#include "base/result.hpp"
#include "firmware/mcfg.hpp"
#include "topology/topology.hpp"

namespace smmu::firmware {

// No machine has as many; what a tree has beyond them is dropped with a finding.
inline constexpr std::size_t most_tree_units = 1024;
inline constexpr std::size_t most_tree_masters = 8192;
inline constexpr std::size_t most_map_entries = 4096;  // of one iommu-map or msi-map
inline constexpr std::size_t most_stream_cells = 4;    // #iommu-cells
inline constexpr std::size_t most_tree_findings = 1024;

struct PowerDomain {
    std::string controller;  // path
    std::uint32_t number = 0;
};

struct TreeUnit {
    std::string path;
    topology::UnitKind kind = topology::UnitKind::unsupported;
    std::string family;                   // "smmuv3", "qcom-smmu-500", "rockchip": names a variant or why it is unsupported
    std::vector<std::string> compatible;  // as written, the most specific first
    std::vector<PhysRange> registers;     // none: a function of PCI, or none that the processors reach
    bool enabled = true;
    bool coherent = false;                     // dma-coherent: its walks see the processors' caches
    unsigned stream_cells = 0;                 // #iommu-cells
    std::uint32_t stream_mask = 0;             // stream-match-mask: bits of every stream that do not count
    std::optional<std::size_t> main_unit;      // an IPMMU cache: index of the unit that walks for it
    std::optional<std::uint32_t> main_number;  // and its bit in that unit's interrupt status
    std::vector<PowerDomain> power_domains;
    topology::Origin origin;
};

// One stream, or with a mask all whose bits outside the mask are those of `id`.
struct TreeStream {
    std::size_t unit = 0;  // index in DeviceTree::units
    std::uint32_t id = 0;  // 0 for a unit that has one stream only (#iommu-cells 0)
    std::uint32_t mask = 0;
    friend bool operator==(const TreeStream&, const TreeStream&) = default;
};

// Inputs (PCI requester ids) first..last become streams from `stream.id` on.
struct StreamMap {
    std::uint32_t first = 0, last = 0;
    TreeStream stream;
};

enum class MsiKind : std::uint8_t { gicv2m, its, other };

struct MsiController {
    std::string path;
    MsiKind kind = MsiKind::other;
    std::vector<PhysRange> registers;
    topology::Origin origin;
};

struct MsiMap {
    std::uint32_t first = 0, last = 0;  // requester ids
    std::size_t controller = 0;         // index in DeviceTree::msi_controllers
};

// A node whose DMA goes through units: a block of registers, or a function of PCI that names its streams itself.
struct TreeMaster {
    std::string path;
    std::string compatible;  // the first; may be empty
    std::vector<PhysRange> registers;
    bool enabled = true;
    bool coherent = false;
    bool incomplete = false;          // some of its streams could not be read
    std::vector<TreeStream> streams;  // iommus
    std::vector<StreamMap> maps;      // iommu-map of what is no PCI host bridge: streams of parts of it
    std::vector<std::size_t> msi_controllers;
    std::optional<std::size_t> host;  // a function of PCI directly on this host bridge's first bus
    std::uint8_t devfn = 0;
    std::vector<PowerDomain> power_domains;
    topology::Origin origin;
};

struct PciHost {
    std::string path;
    std::string compatible;
    std::uint16_t segment = 0;
    bool segment_given = false;  // linux,pci-domain
    std::uint8_t first_bus = 0, last_bus = 0xff;
    std::optional<ConfigWindow> window;  // nothing: its configuration space is not memory-mapped as ECAM
    std::vector<PhysRange> registers;
    bool enabled = true;
    bool coherent = false;
    bool translates_itself = false;  // ats-supported
    std::vector<StreamMap> maps;     // iommu-map
    std::uint32_t map_mask = 0xffffffff;
    std::vector<MsiMap> msi_maps;
    std::uint32_t msi_map_mask = 0xffffffff;
    std::vector<std::size_t> msi_controllers;  // msi-parent
    topology::Origin origin;
};

// Addresses that one device must or must not use (iommu-addresses).
struct DeviceAddresses {
    std::string device;  // path of the master or host bridge
    IovaRange range;
};

struct ReservedRegion {
    std::string path;
    std::vector<PhysRange> ranges;  // none: the addresses are a hole, no memory is behind them
    bool enabled = true;
    bool no_map = false;
    bool reusable = false;  // plain memory for whoever else wants it
    std::vector<DeviceAddresses> addresses;
    topology::Origin origin;
};

struct InterruptController {
    std::string path;
    std::vector<PhysRange> registers;
};

struct DeviceTree {
    std::string model;
    std::vector<TreeUnit> units;
    std::vector<TreeMaster> masters;
    std::vector<PciHost> hosts;
    std::vector<MsiController> msi_controllers;
    std::vector<InterruptController> interrupt_controllers;
    std::vector<PhysRange> memory;        // memory nodes
    std::vector<ReservedRegion> reserved;  // children of /reserved-memory
    std::vector<PhysRange> reservations;  // the memory reservation block
    std::vector<topology::Finding> findings;
};

// EINVAL when the tree as a whole cannot be trusted; the text says why.
Result<DeviceTree> parse_device_tree(std::span<const std::byte> bytes);

}  // namespace smmu::firmware
