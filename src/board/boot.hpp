// SPDX-License-Identifier: Apache-2.0
// Boot: how one kind of machine comes from power-on to what firmware leaves behind: devices with
// addresses, buses with numbers, tables. What differs between the kinds of machines is here.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "board/description.hpp"
#include "board/machine.hpp"
#include "board/qemu_process.hpp"

namespace smmu::board {

class Boot {
public:
    // QEMU as it was started. `ram` is all of the machine's RAM.
    struct Started {
        const QemuProcess& process;
        Machine& machine;
        std::span<std::byte> ram;
    };

    virtual ~Boot() = default;

    virtual PhysAddr ram_base() const = 0;
    // QEMU's words for this kind; files that they name are written into the run directory.
    virtual Result<std::vector<std::string>> arguments(const Description& board,
                                                       const std::string& run_directory) const = 0;
    // Returns when all is as firmware leaves it, with the tables that it hands over. ECONNRESET:
    // QEMU has ended.
    virtual Result<std::vector<link::FirmwareTable>> finish(const Started& started) const = 0;
};

// The boot of the machine that is described.
std::unique_ptr<Boot> boot_of(const Description& board);

}  // namespace smmu::board
