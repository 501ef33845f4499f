// SPDX-License-Identifier: Apache-2.0
// PciTree: the PCI functions of a machine as a value: what was read from configuration space, once.
#pragma once

#include <cstdint>
#include <vector>

#include "base/range.hpp"
#include "topology/device_id.hpp"
#include "topology/topology.hpp"

namespace smmu::topology {

// Device/Port Type of the PCI Express capability (PCIe Base 7.5.3.2); conventional: no such
// capability.
enum class PcieType : std::uint8_t {
    endpoint = 0,
    legacy_endpoint = 1,
    root_port = 4,
    switch_upstream = 5,
    switch_downstream = 6,
    pcie_to_pci_bridge = 7,
    pci_to_pcie_bridge = 8,
    root_complex_endpoint = 9,
    root_complex_event_collector = 10,
    conventional = 0xff,
};

// Access Control Services: which requests a port or function may forward without asking upstream.
struct AccessControl {
    static constexpr std::uint16_t source_validation = 1 << 0;
    static constexpr std::uint16_t translation_blocking = 1 << 1;
    static constexpr std::uint16_t request_redirect = 1 << 2;
    static constexpr std::uint16_t completion_redirect = 1 << 3;
    static constexpr std::uint16_t upstream_forwarding = 1 << 4;
    // What has to be on for two functions not to reach each other behind the unit's back.
    static constexpr std::uint16_t isolating =
        source_validation | request_redirect | completion_redirect | upstream_forwarding;
    static constexpr std::uint16_t wanted = isolating | translation_blocking;

    std::uint16_t offset = 0;  // of the capability; 0: none
    std::uint16_t supported = 0;
    std::uint16_t enabled = 0;  // as read back
};

// A capability with one enable bit that lets a device translate addresses itself.
struct TranslationService {
    std::uint16_t offset = 0;  // 0: none
    bool enabled = false;
};

struct PciFunction {
    PciAddress address;
    std::uint16_t vendor = 0;
    std::uint16_t device = 0;
    std::uint32_t class_code = 0;  // base class, subclass, interface: 24 bits
    bool multifunction = false;
    // One of the functions of its bus's only device, by alternative routing (ARI): `device` and `function` of the address
    // are the two parts of its number.
    bool alternative_routing = false;
    bool bus_master = false;
    bool memory_decode = false;

    PcieType type = PcieType::conventional;
    bool is_bridge = false;      // header type 1 or 2
    std::uint8_t secondary = 0;  // 0: leads nowhere, or its bus numbers are not sound
    std::uint8_t subordinate = 0;

    std::uint16_t pcie_offset = 0;  // capabilities; 0: none
    std::uint16_t advanced_features_offset = 0;
    bool function_reset = false;      // by either of them
    bool message_interrupts = false;  // MSI or MSI-X
    AccessControl access_control;
    TranslationService ats, page_request, pasid;

    // Where its BARs answer. The ends are upper bounds: see pci/README.md.
    std::vector<PhysRange> registers;

    bool is_port() const {
        return type == PcieType::root_port || type == PcieType::switch_downstream;
    }
    bool leads_to(std::uint16_t segment, std::uint8_t bus) const {
        return is_bridge && secondary != 0 && address.segment == segment && secondary <= bus &&
               bus <= subordinate;
    }
};

struct PciTree {
    std::vector<PciFunction> functions;  // ascending by address
    std::vector<Finding> findings;
    bool gated = false;  // the gate has run: `enabled` is what holds while the service runs

    const PciFunction* find(const PciAddress& address) const;
    // The bridge that a bus hangs on; nothing for a root bus. Its own bus number is lower, so that
    // going up ends.
    const PciFunction* bridge_of(std::uint16_t segment, std::uint8_t bus) const;
};

}  // namespace smmu::topology
