// SPDX-License-Identifier: Apache-2.0
// Machine: what stands behind the board protocol: a QEMU process, or a model of hardware that QEMU
// lacks.
#pragma once

#include <span>

#include "base/result.hpp"
#include "link/machine.hpp"

namespace smmu::board {

class Machine {
public:
    virtual ~Machine() = default;

    virtual const link::MachineDescription& description() const = 0;
    virtual std::span<const link::FirmwareTable> firmware_tables() const = 0;
    virtual int ram() const = 0;  // descriptor of the RAM file

    // Carries out the operations in order; `values` has one place for each that reads. An error
    // means that the machine is gone.
    virtual Result<void> perform(std::span<const link::Operation> operations,
                                 std::span<std::uint64_t> values) = 0;
};

}  // namespace smmu::board
