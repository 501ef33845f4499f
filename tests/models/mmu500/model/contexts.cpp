// SPDX-License-Identifier: Apache-2.0
// Contexts: requests. The rest of the class: context_registers.cpp.
#include "tests/models/mmu500/model/contexts.hpp"

#include <fmt/format.h>

namespace smmu::model::mmu500 {
namespace {

constexpr std::uint64_t leftover_root = 0x5a5a5000;
constexpr std::uint32_t reset_actlr = 3;  // prefetching is on

}  // namespace

Contexts::Contexts(const Features& features, const Behaviour& behaviour, const View& view, Tlb& tlb,
                   const Voice& complain)
    : features_(features),
      behaviour_(behaviour),
      tlb_(tlb),
      complain_(complain),
      reader_(features, complain),
      walker_(view, tlb, complain),
      banks_(features.banks) {
    for (Bank& bank : banks_) {
        bank.actlr = reset_actlr;
        if (!behaviour.undefined_reset) continue;
        bank.ttbr0 = leftover_root;
        bank.tcr = 0x19;
        bank.fsr = fsr::tf | fsr::multi;
    }
}

std::uint16_t Contexts::vmid(const Bank& bank) const {
    return std::uint16_t(wide_vmid_ ? bank.cba2r >> 16 : bank.cbar & 0xff);
}

std::uint16_t Contexts::vmid_for_invalidations(const Bank& bank) const {
    const unsigned second = bank.cbar >> 8 & 0xff;
    if (bank.type() == BankType::nested && second < banks_.size()) return vmid(banks_[second]);
    return vmid(bank);
}

std::optional<unsigned> Contexts::outstanding() const {
    for (unsigned i = 0; i < banks_.size(); ++i)
        if (banks_[i].sync.outstanding()) return i;
    return std::nullopt;
}

void Contexts::forget_invalidations() {
    for (Bank& bank : banks_) bank.sync.forget();
}

bool Contexts::interrupt(unsigned index) const {
    return banks_[index].has_fault() && (banks_[index].sctlr & sctlr::cfie) != 0;
}

// Where the bank's tables begin; nothing inside when no walk can.
std::expected<std::optional<Path>, std::uint32_t> Contexts::path(unsigned index) {
    const Bank& bank = banks_[index];
    if (bank.type() == BankType::stage1_fault) return std::unexpected(sgfsr::icf);
    if (bank.type() == BankType::stage2) {
        auto space = reader_.second(index, bank, vmid(bank));
        if (!space) return std::nullopt;
        return Path{*space};
    }
    const bool nested = bank.type() == BankType::nested;
    const unsigned second = bank.cbar >> 8 & 0xff;
    if (nested && (second >= banks_.size() || banks_[second].type() != BankType::stage2)) {
        complain_(fmt::format("bank {}: its second stage {} is no bank for that", index, second));
        return std::unexpected(sgfsr::icf);
    }
    auto space = reader_.first(index, bank, vmid_for_invalidations(bank));
    if (!space) return std::nullopt;
    Path path{*space};
    if (nested && banks_[second].translates()) {
        path.second = reader_.second(second, banks_[second], vmid(banks_[second]));
        if (!path.second) return std::nullopt;
    }
    return path;
}

std::expected<Outcome, std::uint32_t> Contexts::translate(unsigned index, const Request& request) {
    if (index >= banks_.size()) return std::unexpected(sgfsr::ucbf);
    Bank& bank = banks_[index];
    if (!bank.translates()) {
        if (bank.type() == BankType::nested)
            complain_(fmt::format("bank {}: a nested bank with M=0 is not modelled", index));
        return Outcome{Verdict::allowed, request.address};
    }
    const auto found = path(index);
    if (!found) return std::unexpected(found.error());
    if (bank.has_fault() && (bank.sctlr & sctlr::hupcf) == 0) return refusal(index, bank);
    if (!*found) return refuse(index, {Reason::translation, 0}, request);
    const auto address = walker_.translate(**found, request);
    if (!address) return refuse(index, address.error(), request);
    return Outcome{Verdict::allowed, *address};
}

// A fault of the second stage of two is the second bank's to tell.
Outcome Contexts::refuse(unsigned index, const Fault& fault, const Request& request) {
    const unsigned teller = fault.second ? banks_[index].cbar >> 8 & 0xff : index;
    Bank& bank = banks_[teller];
    const bool may_stall = (bank.sctlr & sctlr::cfcfg) != 0 && !no_stalls_;
    const bool stalls = may_stall && !bank.has_fault();
    bank.record(fault, request, index, stalls);
    return refusal(teller, bank);
}

Outcome Contexts::refusal(unsigned index, const Bank& bank) const {
    if ((bank.fsr & fsr::ss) != 0) return {Verdict::stalled, 0, index};
    return {(bank.sctlr & sctlr::cfre) != 0 ? Verdict::aborted : Verdict::ignored, 0, index};
}

}  // namespace smmu::model::mmu500
