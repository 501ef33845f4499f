// SPDX-License-Identifier: Apache-2.0
#include "units/smmuv2/faults.hpp"

#include <array>

namespace smmu::units::smmuv2 {
namespace {

using Reason = Refusal::Reason;

template <class R>
struct Kind {
    Field<R> bit;
    Reason reason;
    const char* text;
};

// Of several bits the first one tells most.
constexpr std::array global_kinds{
    Kind<GlobalFault>{GlobalFault::unidentified_stream, Reason::unknown_stream,
                      "USF: no stream match register names the stream"},
    Kind<GlobalFault>{GlobalFault::invalid_context, Reason::unknown_stream,
                      "ICF: the stream's S2CR refuses it"},
    Kind<GlobalFault>{GlobalFault::match_conflict, Reason::configuration,
                      "SMCF: two stream match registers name the stream"},
    Kind<GlobalFault>{GlobalFault::no_such_bank, Reason::configuration,
                      "UCBF: the stream's context bank is not there"},
    Kind<GlobalFault>{GlobalFault::no_such_interrupt, Reason::configuration,
                      "UCIF: an interrupt of a context bank is not there"},
    Kind<GlobalFault>{GlobalFault::external, Reason::other, "EF: external fault"},
    Kind<GlobalFault>{GlobalFault::permission, Reason::other, "PF: permission fault"},
    Kind<GlobalFault>{GlobalFault::unsupported, Reason::other,
                      "UUT: a transaction that the unit does not support"},
    Kind<GlobalFault>{GlobalFault::configuration_access, Reason::other,
                      "CAF: a register was accessed as it must not be"}};

constexpr std::array bank_kinds{
    Kind<BankFault>{BankFault::external, Reason::configuration,
                    "EF: a page table, or the memory itself, did not answer"},
    Kind<BankFault>{BankFault::match_conflict, Reason::configuration,
                    "TLBMCF: two translations cached for one address"},
    Kind<BankFault>{BankFault::lock, Reason::configuration, "TLBLKF: the TLB is locked"},
    Kind<BankFault>{BankFault::address_size, Reason::configuration,
                    "ASF: a page table leads beyond physical memory"},
    Kind<BankFault>{BankFault::access_flag, Reason::configuration, "AFF: access flag clear"},
    Kind<BankFault>{BankFault::permission, Reason::permission, "PF: this access not allowed"},
    Kind<BankFault>{BankFault::translation, Reason::not_mapped, "TF: no translation"},
    Kind<BankFault>{BankFault::unsupported, Reason::other,
                    "UUT: a transaction that the unit does not support"}};

template <class R, std::size_t Count>
const Kind<R>* kind_of(const std::array<Kind<R>, Count>& kinds, hw::Bits<R> status) {
    for (const Kind<R>& kind : kinds)
        if (status.has(kind.bit)) return &kind;
    return nullptr;
}

Access access_of(bool write, bool instruction) {
    if (write) return Access::write;
    return instruction ? Access::execute : Access::read;
}

}  // namespace

// What is written back was read, so a fault of meanwhile stays: there, or as one that was lost.
std::optional<Fault> take_global_fault(const Hardware& hardware) noexcept {
    const auto status = hardware.read<GlobalFault>();
    if (status.raw() == 0 || status.raw() == ~std::uint32_t{0}) return std::nullopt;
    Fault fault{.refusal = std::nullopt, .several = status.has(GlobalFault::several)};
    if (const auto* const kind = kind_of(global_kinds, status)) {
        const auto how = hardware.read<GlobalFaultKind>();
        const auto who = hardware.read<GlobalFaultStream>();
        const bool of_device = !status.has(GlobalFault::configuration_access);
        Refusal refusal;
        refusal.stream = StreamId(who[GlobalFaultStream::stream]);
        refusal.stream_known = of_device;
        refusal.address = Iova{hardware.read<GlobalFaultAddress>().raw()};
        refusal.address_known = of_device;
        refusal.access =
            access_of(how.has(GlobalFaultKind::write), how.has(GlobalFaultKind::instruction));
        refusal.reason = kind->reason;
        refusal.raw = {status.raw(), how.raw(), refusal.address.value, who.raw()};
        refusal.hardware_text = kind->text;
        fault.refusal = refusal;
    }
    hardware.write(status);
    return fault;
}

std::optional<Fault> take_bank_fault(const Hardware& hardware, unsigned bank) noexcept {
    const auto status = hardware.read_in<BankFault>(bank);
    if (status.raw() == ~std::uint32_t{0}) return std::nullopt;
    Fault fault{.refusal = std::nullopt, .several = status.has(BankFault::several)};
    const auto* const kind = kind_of(bank_kinds, status);
    if (kind == nullptr && !fault.several) return std::nullopt;
    if (kind != nullptr) {
        const auto how = hardware.read_in<BankFaultKind>(bank);
        const auto who = hardware.read_of<FaultingStream>(bank);
        Refusal refusal;
        refusal.stream = StreamId(who[FaultingStream::stream]);
        refusal.address = Iova{hardware.read_in<BankFaultAddress>(bank).raw()};
        refusal.access =
            access_of(how.has(BankFaultKind::write), how.has(BankFaultKind::instruction));
        refusal.reason = kind->reason;
        refusal.stage = hardware.features().stage == Stage::second ? 2 : 1;
        refusal.raw = {status.raw(), how.raw(), refusal.address.value, who.raw()};
        refusal.hardware_text = kind->text;
        fault.refusal = refusal;
    }
    hardware.write_in(bank, status);
    return fault;
}

}  // namespace smmu::units::smmuv2
