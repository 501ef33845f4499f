// SPDX-License-Identifier: Apache-2.0
// Registers: offsets in the global pages and in a context bank, and bits of them.
#pragma once

#include <cstdint>

namespace smmu::model::mmu500 {

// Global register space 0.
namespace gr0 {
inline constexpr unsigned scr0 = 0x000, scr2 = 0x008, sacr = 0x010, idr0 = 0x020, idr7 = 0x03c,
                          sgfar = 0x040, sgfsr = 0x048, sgfsrrestore = 0x04c, sgfsynr0 = 0x050,
                          sgfsynr1 = 0x054, sgfsynr2 = 0x058, tlbivmid = 0x064, tlbiallnsnh = 0x068,
                          tlbiallh = 0x06c, stlbgsync = 0x070, stlbgstatus = 0x074,
                          tlbivmids1 = 0x0b8, smr = 0x800, s2cr = 0xc00, ids = 0xfd0;
}  // namespace gr0

// Global register space 1.
namespace gr1 {
inline constexpr unsigned cbar = 0x000, cbfrsynra = 0x400, cba2r = 0x800;
}  // namespace gr1

// A context bank.
namespace cb {
inline constexpr unsigned sctlr = 0x000, actlr = 0x004, resume = 0x008, tcr2 = 0x010, ttbr0 = 0x020,
                          ttbr1 = 0x028, tcr = 0x030, contextidr = 0x034, mair0 = 0x038,
                          mair1 = 0x03c, par = 0x050, fsr = 0x058, fsrrestore = 0x05c, far = 0x060,
                          fsynr0 = 0x068, fsynr1 = 0x06c, ipafar = 0x070, tlbiva = 0x600,
                          tlbivaa = 0x608, tlbiasid = 0x610, tlbiall = 0x618, tlbival = 0x620,
                          tlbivaal = 0x628, tlbiipas2 = 0x630, tlbiipas2l = 0x638, tlbsync = 0x7f0,
                          tlbstatus = 0x7f4;
}  // namespace cb

namespace scr0 {
inline constexpr std::uint32_t clientpd = 1u << 0, gfre = 1u << 1, gfie = 1u << 2,
                               exidenable = 1u << 3, gcfgfre = 1u << 4, gcfgfie = 1u << 5,
                               stalld = 1u << 8, gse = 1u << 9, usfcfg = 1u << 10,
                               smcfcfg = 1u << 21, reserved = 1u << 30, vmid16en = 1u << 31;
}  // namespace scr0

namespace sacr {
inline constexpr std::uint32_t cache_lock = 1u << 26;
}  // namespace sacr

namespace sgfsr {
inline constexpr std::uint32_t icf = 1u << 0, usf = 1u << 1, smcf = 1u << 2, ucbf = 1u << 3,
                               caf = 1u << 5, multi = 1u << 31;
}  // namespace sgfsr

namespace sctlr {
inline constexpr std::uint32_t m = 1u << 0, affd = 1u << 3, e = 1u << 4, cfre = 1u << 5,
                               cfie = 1u << 6, cfcfg = 1u << 7, hupcf = 1u << 8;
}  // namespace sctlr

namespace actlr {
inline constexpr std::uint32_t cpre = 1u << 1;
}  // namespace actlr

namespace tcr2 {
inline constexpr std::uint32_t as = 1u << 4;
}  // namespace tcr2

namespace fsr {
inline constexpr std::uint32_t tf = 1u << 1, aff = 1u << 2, pf = 1u << 3, ef = 1u << 4,
                               asf = 1u << 7, format_aarch64 = 2u << 9, ss = 1u << 30,
                               multi = 1u << 31, any_fault = 0x1fe;
}  // namespace fsr

namespace fsynr0 {
inline constexpr std::uint32_t wnr = 1u << 4, pnu = 1u << 5, ptwf = 1u << 10;
}  // namespace fsynr0

// S2CR.TYPE.
enum class StreamType : std::uint8_t { translate = 0, bypass = 1, fault = 2, reserved = 3 };
// CBAR.TYPE.
enum class BankType : std::uint8_t { stage2 = 0, stage1 = 1, stage1_fault = 2, nested = 3 };

}  // namespace smmu::model::mmu500
