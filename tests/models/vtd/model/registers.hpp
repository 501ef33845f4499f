// SPDX-License-Identifier: Apache-2.0
// Registers: offsets of a unit's registers, and the bits of its commands (VT-d 5.10, 11.4).
#pragma once

#include <array>
#include <cstdint>

namespace smmu::model::vtd {

namespace reg {
inline constexpr unsigned ver = 0x00, cap = 0x08, ecap = 0x10, gcmd = 0x18, gsts = 0x1c,
                          rtaddr = 0x20, ccmd = 0x28, fsts = 0x34, fectl = 0x38, fedata = 0x3c,
                          feaddr = 0x40, feuaddr = 0x44, pmen = 0x64, plmbase = 0x68,
                          plmlimit = 0x6c, phmbase = 0x70, phmlimit = 0x78, iqh = 0x80, iqt = 0x88,
                          iqa = 0x90, ics = 0x9c, iectl = 0xa0, iedata = 0xa4, ieaddr = 0xa8,
                          ieuaddr = 0xac, iqercd = 0xb0, irta = 0xb8;
inline constexpr std::array wide = {cap, ecap, rtaddr, ccmd,   phmbase, phmlimit,
                                    iqh, iqt,  iqa,    iqercd, irta};
}  // namespace reg

// Bits of GCMD; the same bits of GSTS say what holds.
namespace gcmd {
inline constexpr std::uint32_t translation = 1u << 31, set_root = 1u << 30,
                               set_fault_log = 1u << 29, fault_log = 1u << 28,
                               flush_buffer = 1u << 27, queue = 1u << 26, interrupts = 1u << 25,
                               set_interrupts = 1u << 24, compatible_interrupts = 1u << 23;
inline constexpr std::uint32_t one_shot = set_root | set_fault_log | flush_buffer | set_interrupts;
inline constexpr std::uint32_t lasting =
    translation | fault_log | queue | interrupts | compatible_interrupts;
}  // namespace gcmd

}  // namespace smmu::model::vtd
