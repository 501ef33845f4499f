// SPDX-License-Identifier: Apache-2.0
// Bank: the registers of one context bank, those of global space 1 among them.
#pragma once

#include <map>
#include <set>

#include "tests/models/mmu500/model/registers.hpp"
#include "tests/models/mmu500/model/request.hpp"
#include "tests/models/mmu500/model/sync.hpp"

namespace smmu::model::mmu500 {

struct Bank {
    std::uint32_t cbar = 0;
    std::uint32_t cba2r = 0;
    std::uint32_t cbfrsynra = 0;
    std::uint32_t sctlr = 0;
    std::uint32_t actlr = 0;
    std::uint32_t tcr = 0;
    std::uint32_t tcr2 = 0;
    std::uint32_t contextidr = 0;
    std::uint64_t ttbr0 = 0;
    std::uint64_t ttbr1 = 0;
    std::uint64_t mair = 0;
    std::uint32_t fsr = 0;
    std::uint32_t fsynr0 = 0;
    std::uint64_t far = 0;
    std::uint64_t ipafar = 0;
    std::set<unsigned> written = {};                        // offsets; the rest holds anything
    std::map<unsigned, std::uint32_t> operand_halves = {};  // upper ones, of invalidations
    Sync sync = {};

    BankType type() const { return BankType(cbar >> 16 & 3); }
    bool translates() const { return (sctlr & sctlr::m) != 0; }
    bool has_fault() const { return (fsr & fsr::any_fault) != 0; }

    // A fault of `request`; while one is recorded, a further one leaves only MULTI.
    void record(const Fault& fault, const Request& request, unsigned for_bank, bool stalls);
};

}  // namespace smmu::model::mmu500
