// SPDX-License-Identifier: Apache-2.0
// The devices of the null machine.
#pragma once

#include <cstdint>

namespace bench {

inline constexpr unsigned null_devices = 8;  // on streams 1 to 8
// Where the registers of each are; they fill a page.
constexpr std::uint64_t null_device(unsigned index) { return 0x1000'0000 + index * 0x1000; }

}  // namespace bench
