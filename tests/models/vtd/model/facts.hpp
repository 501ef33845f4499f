// SPDX-License-Identifier: Apache-2.0
// Facts: which machine the model is. Tests fill it in, or a description in JSON does.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "tests/models/vtd/model/features.hpp"

namespace smmu::model::vtd {

enum class Kind : std::uint8_t {
    host_bridge,
    edu,         // as QEMU's: a DMA engine with 4 KiB of memory
    ats_edu,     // the same as a PCI Express device with ATS, PASID and no-snoop requests
    root_port,   // with access control
    pci_bridge,  // PCI Express to PCI: requests of what is below carry its secondary bus, devfn 0
};

struct FunctionFacts {
    std::uint16_t segment = 0;
    std::uint8_t bus = 0;
    std::uint8_t device = 0;
    std::uint8_t function = 0;
    Kind kind = Kind::edu;
    std::uint8_t secondary = 0;  // bus below a port or bridge
};

struct ScopeFacts {
    bool below = false;  // a bridge and what is below it, else an endpoint
    std::uint8_t start_bus = 0;
    std::vector<std::pair<std::uint8_t, std::uint8_t>> path = {};
};

struct UnitFacts {
    std::uint64_t base = 0xfed90000;
    std::uint16_t segment = 0;
    bool takes_all = false;
    std::vector<ScopeFacts> scopes = {};
    Features features = {};
    Behaviour behaviour = {};
};

struct ReservedFacts {
    std::uint16_t segment = 0;
    std::uint64_t first = 0;
    std::uint64_t last = 0;
    std::vector<ScopeFacts> scopes = {};
};

struct MachineFacts {
    std::string name = "model";
    std::uint64_t memory_mib = 256;
    unsigned host_bits = 39;
    std::vector<FunctionFacts> functions = usual_functions();
    std::vector<UnitFacts> units;  // the one that takes all of a segment last
    std::vector<ReservedFacts> reserved;

    // As on the q35 boards, and a device with ATS behind a port of its own.
    static std::vector<FunctionFacts> usual_functions() {
        return {{0, 0, 0, 0, Kind::host_bridge, 0}, {0, 0, 3, 0, Kind::edu, 0},
                {0, 0, 4, 0, Kind::edu, 0},         {0, 0, 5, 0, Kind::root_port, 1},
                {0, 1, 0, 0, Kind::edu, 0},         {0, 0, 6, 0, Kind::pci_bridge, 2},
                {0, 2, 1, 0, Kind::edu, 0},         {0, 2, 2, 0, Kind::edu, 0},
                {0, 0, 8, 0, Kind::root_port, 3},   {0, 3, 0, 0, Kind::ats_edu, 0}};
    }
};

// Configuration space of a segment: 256 buses.
constexpr std::uint64_t config_base(std::uint16_t segment) {
    return segment == 0 ? 0xb0000000 : 0x4000000000 + (std::uint64_t{segment} << 28);
}

}  // namespace smmu::model::vtd
