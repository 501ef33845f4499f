// SPDX-License-Identifier: Apache-2.0
// Contexts: registers. The rest of the class: contexts.cpp.
#include <fmt/format.h>

#include <algorithm>

#include "tests/models/mmu500/model/contexts.hpp"

namespace smmu::model::mmu500 {
namespace {

constexpr unsigned wide_registers[] = {cb::ttbr0,    cb::ttbr1,     cb::par,       cb::far,
                                       cb::ipafar,   cb::tlbiva,    cb::tlbivaa,   cb::tlbival,
                                       cb::tlbivaal, cb::tlbiipas2, cb::tlbiipas2l};
constexpr std::uint32_t sctlr_reserved = 3u << 30 | 1u << 11;
constexpr std::uint64_t low_half = 0xffffffff;

constexpr bool is_invalidation(unsigned offset) {
    return offset >= cb::tlbiva && offset < cb::tlbiipas2l + 8;
}

}  // namespace

bool Contexts::is_wide(unsigned offset) {
    return std::ranges::find(wide_registers, offset) != std::end(wide_registers);
}

std::uint32_t Contexts::read(unsigned index, unsigned offset) {
    Bank& bank = banks_[index];
    const bool high = (offset & 4) != 0;
    const auto half = [&](std::uint64_t value) {
        return std::uint32_t(high ? value >> 32 : value & low_half);
    };
    switch (offset & ~4u) {
        case cb::ttbr0:
            return half(bank.ttbr0);
        case cb::ttbr1:
            return half(bank.ttbr1);
        case cb::mair0:
            return half(bank.mair);
        case cb::far:
            return half(bank.far);
        case cb::ipafar:
            return half(bank.ipafar);
        default:
            break;
    }
    switch (offset) {
        case cb::sctlr:
            return bank.sctlr;
        case cb::actlr:
            return bank.actlr;
        case cb::tcr2:
            return bank.tcr2;
        case cb::tcr:
            return bank.tcr;
        case cb::contextidr:
            return bank.contextidr;
        case cb::fsr:
            return bank.fsr;
        case cb::fsynr0:
            return bank.fsynr0;
        case cb::tlbstatus:
            return bank.sync.still_active(behaviour_, tlb_) ? 1 : 0;
        default:
            return 0;
    }
}

void Contexts::write_wide(unsigned index, unsigned offset, std::uint64_t value) {
    if (is_invalidation(offset)) return invalidate(index, offset, value);
    write(index, offset, std::uint32_t(value));
    write(index, offset + 4, std::uint32_t(value >> 32));
}

void Contexts::change(unsigned index, unsigned offset, const char* name, bool differs) {
    Bank& bank = banks_[index];
    bank.written.insert(offset);
    if (differs && bank.translates())
        complain_(fmt::format("bank {}: {} is changed while the bank translates", index, name));
}

void Contexts::set_half(unsigned index, unsigned offset, const char* name, std::uint64_t& target,
                        std::uint32_t value) {
    const std::uint64_t before = target;
    target = (offset & 4) != 0 ? (target & low_half) | std::uint64_t{value} << 32
                               : (target & ~low_half) | value;
    change(index, offset, name, target != before);
}

void Contexts::write(unsigned index, unsigned offset, std::uint32_t value) {
    Bank& bank = banks_[index];
    if (is_invalidation(offset) && (offset & ~7u) != cb::tlbiasid &&
        (offset & ~7u) != cb::tlbiall) {
        if ((offset & 4) != 0) {
            bank.operand_halves[offset & ~4u] = value;
            return;
        }
        const auto high = bank.operand_halves.extract(offset);
        if (high.empty())
            complain_(fmt::format("bank {}: an invalidation at {:#x} without its upper half", index,
                                  offset));
        return invalidate(index, offset,
                          high.empty() ? value : std::uint64_t{high.mapped()} << 32 | value);
    }
    switch (offset) {
        case cb::sctlr:
            return write_sctlr(index, value);
        case cb::actlr:
            return write_actlr(index, value);
        case cb::resume:
            return resume(index, value);
        case cb::tcr2:
            change(index, offset, "TCR2", bank.tcr2 != value);
            bank.tcr2 = value;
            return;
        case cb::ttbr0:
        case cb::ttbr0 + 4:
            return set_half(index, offset, "TTBR0", bank.ttbr0, value);
        case cb::ttbr1:
        case cb::ttbr1 + 4:
            return set_half(index, offset, "TTBR1", bank.ttbr1, value);
        case cb::tcr:
            if (bank.written.contains(cb::ttbr0) && !bank.translates() && bank.tcr != value)
                bank.written.erase(cb::ttbr0);  // it must follow
            change(index, offset, "TCR", bank.tcr != value);
            bank.tcr = value;
            return;
        case cb::mair0:
        case cb::mair1:
            return set_half(index, offset, "MAIR", bank.mair, value);
        case cb::contextidr:
            bank.contextidr = value;
            return;
        case cb::fsr:
            bank.fsr &= ~(value & (fsr::any_fault | fsr::multi));
            if (!bank.has_fault()) bank.fsr &= fsr::ss;
            return;
        case cb::fsrrestore:
            bank.fsr = value;
            return;
        case cb::far:
        case cb::far + 4:
        case cb::fsynr0:
        case cb::fsynr1:
        case cb::ipafar:
        case cb::ipafar + 4:
            return;
        case cb::tlbiasid:
        case cb::tlbiall:
            return invalidate(index, offset, value);
        case cb::tlbsync:
            return sync(index);
        default:
            complain_(fmt::format("bank {}: a write of {:#x} to {:#x}, which cannot be written",
                                  index, value, offset));
    }
}

void Contexts::write_sctlr(unsigned index, std::uint32_t value) {
    Bank& bank = banks_[index];
    if ((value & sctlr_reserved) != 0)
        complain_(fmt::format("bank {}: reserved bits of SCTLR are set: {:#x}", index, value));
    const bool begins = !bank.translates() && (value & sctlr::m) != 0;
    bank.sctlr = value;
    if (begins) check_enabled(index);
}

// What firmware may have left is no set-up, and no tables of before may be remembered.
void Contexts::check_enabled(unsigned index) {
    const Bank& bank = banks_[index];
    const bool is_first = bank.type() != BankType::stage2;
    const auto expect = [&](unsigned offset, const char* name) {
        if (!bank.written.contains(offset))
            complain_(fmt::format("bank {}: M is set before {} was written", index, name));
    };
    expect(cb::tcr, "TCR");
    expect(cb::ttbr0, "TTBR0");
    if (is_first) {
        expect(cb::tcr2, "TCR2");
        expect(cb::mair0, "MAIR");
    }
    if ((bank.actlr & actlr::cpre) != 0 && !cache_locked_)
        complain_(fmt::format("bank {}: M is set with prefetching on (erratum 841119)", index));
    if (bank.sync.outstanding())
        complain_(fmt::format("bank {}: M is set before an invalidation was synchronised", index));
    const auto found = path(index);
    if (found && *found && tlb_.conflicts((*found)->space.tag, (*found)->origin()))
        complain_(
            fmt::format("bank {}: M is set while translations of other tables have its VMID "
                        "and ASID",
                        index));
}

void Contexts::write_actlr(unsigned index, std::uint32_t value) {
    if (features_.major >= 2 && cache_locked_) {
        if (!behaviour_.cache_locked)
            complain_(fmt::format("bank {}: ACTLR is written while sACR.CACHE_LOCK is set", index));
        return;
    }
    banks_[index].actlr = value;
}

void Contexts::resume(unsigned index, std::uint32_t value) {
    Bank& bank = banks_[index];
    if ((bank.fsr & fsr::ss) == 0)
        return complain_(fmt::format("bank {}: RESUME is written and nothing is stalled", index));
    bank.fsr &= ~fsr::ss;
    if (resumption_) resumption_(index, (value & 1) != 0);
}

void Contexts::invalidate(unsigned index, unsigned offset, std::uint64_t operand) {
    Bank& bank = banks_[index];
    const bool is_second = bank.type() == BankType::stage2;
    const bool by_ipa = offset == cb::tlbiipas2 || offset == cb::tlbiipas2l;
    if (by_ipa != is_second && offset != cb::tlbiall)
        complain_(
            fmt::format("bank {}: an invalidation at {:#x}, of the other stage", index, offset));
    Invalidation what{.stage = by_ipa ? Stage::second : Stage::first,
                      .vmid = vmid_for_invalidations(bank)};
    if (offset == cb::tlbiall) {
        what.stage.reset();
    } else if (offset == cb::tlbiasid) {
        what.asid = std::uint16_t(operand);
        if (operand >> 16 != 0)
            complain_(fmt::format("bank {}: reserved bits of TLBIASID: {:#x}", index, operand));
    } else {
        what.address = (operand & ((1ull << (by_ipa ? 36 : 44)) - 1)) << 12;
        what.only_leaves =
            offset == cb::tlbival || offset == cb::tlbivaal || offset == cb::tlbiipas2l;
        if (offset == cb::tlbiva || offset == cb::tlbival) what.asid = std::uint16_t(operand >> 48);
        if (by_ipa ? operand >> 36 != 0 : (operand >> 44 & 0xf) != 0)
            complain_(
                fmt::format("bank {}: reserved bits of an invalidation: {:#x}", index, operand));
    }
    bank.sync.add(what);
}

void Contexts::sync(unsigned index) {
    if (!banks_[index].sync.start(behaviour_))
        complain_(fmt::format("bank {}: TLBSYNC is written before the last one ended", index));
}

std::uint32_t Contexts::read_global(unsigned offset) const {
    const unsigned index = offset % 0x400 / 4;
    if (index >= banks_.size()) return 0;
    const Bank& bank = banks_[index];
    switch (offset & ~0x3ffu) {
        case gr1::cbar:
            return bank.cbar;
        case gr1::cbfrsynra:
            return bank.cbfrsynra;
        case gr1::cba2r:
            return bank.cba2r;
        default:
            return 0;
    }
}

void Contexts::write_global(unsigned offset, std::uint32_t value) {
    const unsigned index = offset % 0x400 / 4;
    if (index >= banks_.size())
        return complain_(
            fmt::format("a write of {:#x} for bank {}, which is not there", value, index));
    Bank& bank = banks_[index];
    switch (offset & ~0x3ffu) {
        case gr1::cbar:
            return write_cbar(index, value);
        case gr1::cba2r:
            if ((value & 0xfffc) != 0 || (!features_.wide_vmid && value >> 16 != 0))
                complain_(fmt::format("reserved bits of CBA2R {}: {:#x}", index, value));
            change(index, 0x10000 + offset, "CBA2R", bank.cba2r != value);
            bank.cba2r = value;
            return;
        default:
            complain_(
                fmt::format("a write of {:#x} to {:#x} of global space 1, which cannot be "
                            "written",
                            value, offset));
    }
}

void Contexts::write_cbar(unsigned index, std::uint32_t value) {
    Bank& bank = banks_[index];
    const auto type = BankType(value >> 16 & 3);
    const bool possible = type == BankType::stage2   ? features_.stage2
                          : type == BankType::nested ? features_.nested
                                                     : features_.stage1;
    if (!possible || (type != BankType::stage2 && index < features_.stage2_banks))
        complain_(
            fmt::format("CBAR {} has type {}, which this bank cannot have", index, unsigned(type)));
    change(index, 0x10000 + gr1::cbar, "CBAR", bank.cbar != value);
    bank.cbar = value;
}

}  // namespace smmu::model::mmu500
