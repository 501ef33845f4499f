// SPDX-License-Identifier: Apache-2.0
// FwCfg: QEMU's store of files for firmware, read by its own DMA as firmware does.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/range.hpp"
#include "base/result.hpp"
#include "board/machine.hpp"

namespace smmu::board {

// Part of a machine's RAM: `bytes` are what lies in `range`.
struct RamPart {
    PhysRange range;
    std::span<std::byte> bytes;
};

class FwCfg {
public:
    // Reads the directory. `registers` is where the device's registers are; it writes to `scratch`.
    static Result<FwCfg> open(Machine& machine, PhysAddr registers, RamPart scratch);

    // ENOENT when there is no such file, EFBIG when it does not fit into the scratch memory, which
    // holds zeros afterwards.
    Result<std::vector<std::byte>> read(const std::string& name);

private:
    struct File {
        std::uint16_t key;
        std::uint32_t length;
    };

    FwCfg(Machine& machine, PhysAddr registers, RamPart scratch)
        : machine_(machine), registers_(registers), scratch_(scratch) {}
    Result<std::vector<std::byte>> read(File file);

    Machine& machine_;
    PhysAddr registers_;
    RamPart scratch_;
    std::map<std::string, File> directory_;
};

}  // namespace smmu::board
