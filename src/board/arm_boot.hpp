// SPDX-License-Identifier: Apache-2.0
// ArmBoot: QEMU's Arm machine `virt`. Its processor sleeps from its first instruction on: it has no
// firmware that does its work without a guest, so that work is done here, from outside.
#pragma once

#include "board/boot.hpp"

namespace smmu::board {

class ArmBoot final : public Boot {
public:
    // `firmware` says whether ACPI tables or the device tree are handed over.
    explicit ArmBoot(Description::Firmware firmware) : firmware_(firmware) {}

    PhysAddr ram_base() const override { return {0x4000'0000}; }
    Result<std::vector<std::string>> arguments(const Description& board,
                                               const std::string& run_directory) const override;
    Result<std::vector<link::FirmwareTable>> finish(const Started& started) const override;

private:
    Description::Firmware firmware_;
};

}  // namespace smmu::board
