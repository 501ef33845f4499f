// SPDX-License-Identifier: Apache-2.0
// Mcfg: where configuration space of the PCI segments lies in memory (PCI Firmware
// Specification 3.3, 4.1.2).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/range.hpp"
#include "base/result.hpp"
#include "topology/topology.hpp"

namespace smmu::firmware {

struct ConfigWindow {
    PhysAddr base;  // of bus 0's space, also when the window begins at a later bus
    std::uint16_t segment = 0;
    std::uint8_t first_bus = 0;
    std::uint8_t last_bus = 0;
    topology::Origin origin;

    // What really answers: from the first to the last bus, one megabyte each.
    PhysRange range() const {
        return {base + (std::uint64_t(first_bus) << 20),
                base + ((std::uint64_t(last_bus) << 20) + 0xfffff)};
    }
};

struct Mcfg {
    std::vector<ConfigWindow> windows;
    std::vector<topology::Finding> findings;
};

// EINVAL when the table as a whole cannot be trusted; the text says why.
Result<Mcfg> parse_mcfg(std::span<const std::byte> bytes);

}  // namespace smmu::firmware
