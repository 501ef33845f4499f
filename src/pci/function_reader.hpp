// SPDX-License-Identifier: Apache-2.0
// FunctionReader: one function's configuration space becomes a value.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "platform/platform.hpp"
#include "topology/pci_tree.hpp"

namespace smmu::pci {

// A base address register as it stands; its length is not in it.
struct Bar {
    std::uint64_t base = 0;
    bool wide = false;  // 64 bits
};

// Addresses that a bridge hands down, both ends included.
struct BridgeWindow {
    PhysRange range;
};

struct FunctionFacts {
    topology::PciFunction function;
    std::vector<Bar> bars;
    std::vector<BridgeWindow> windows;
    // With alternative routing (ARI) the functions of a device are a chain; 0 ends it.
    std::uint8_t next_function = 0;
};

// Nothing when no function answers there.
std::optional<FunctionFacts> read_function(platform::PciConfig& config,
                                           const topology::PciAddress& address);

// Reads the state that the gate changes again: ACS, ATS, PRI, PASID, bus master. What every
// function has, in one trip.
void read_back(platform::PciConfig& config, std::span<topology::PciFunction> functions);

// What the function's first register says.
constexpr std::uint32_t id_of(const topology::PciFunction& function) {
    return std::uint32_t{function.device} << 16 | function.vendor;
}
// Whether the function that was read there answers still, and not another one in its place.
bool is_itself(platform::PciConfig& config, const topology::PciFunction& function);

}  // namespace smmu::pci
