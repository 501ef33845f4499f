// SPDX-License-Identifier: Apache-2.0
// PcBoot: QEMU's PC, booted by its stock firmware: that gives addresses to devices, numbers to
// buses, and puts the ACPI tables into RAM. Then it calls an option ROM of ours, which leaves a
// mark in RAM and halts the processor for good.
#pragma once

#include "board/boot.hpp"

namespace smmu::board {

class PcBoot final : public Boot {
public:
    PhysAddr ram_base() const override { return {0}; }
    Result<std::vector<std::string>> arguments(const Description& board,
                                               const std::string& run_directory) const override;
    Result<std::vector<link::FirmwareTable>> finish(const Started& started) const override;
};

}  // namespace smmu::board
