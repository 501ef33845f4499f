// SPDX-License-Identifier: Apache-2.0
#include "board/boot.hpp"

#include "board/arm_boot.hpp"
#include "board/pc_boot.hpp"

namespace smmu::board {

std::unique_ptr<Boot> boot_of(const Description& board) {
    if (board.machine == Description::Kind::arm) return std::make_unique<ArmBoot>(board.firmware);
    return std::make_unique<PcBoot>();
}

}  // namespace smmu::board
