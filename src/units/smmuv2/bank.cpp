// SPDX-License-Identifier: Apache-2.0
#include "units/smmuv2/bank.hpp"

#include <fmt/format.h>

namespace smmu::units::smmuv2 {
namespace {

constexpr std::uint64_t stage2_bank = 0, stage1_bank = 1;  // CBAR.TYPE
constexpr std::uint64_t write_back = 1, inner_shareable = 3, not_cached = 0, outer_shareable = 2;
constexpr std::uint32_t memory_types = 0x04ff;  // 0 write-back memory, 1 registers (Device-nGnRE)
constexpr std::uint32_t upstream_sign = 7;  // TCR2.SEP: no bit below the upstream size is one
constexpr hw::Bits<BankFault> every_fault{0xc00001fe};

// Faults are recorded and abort the access; later accesses go on, and nothing ever stalls or
// interrupts.
constexpr hw::Bits<BankControl> on = BankControl::translates(1) | BankControl::remaps_types(1) |
                                     BankControl::access_flag(1) | BankControl::aborts_faults(1) |
                                     BankControl::goes_on_after_fault(1);

// What is in the registers of a bank that is on.
struct Words {
    hw::Bits<BankAttributes> attributes;
    std::uint32_t walk = 0;  // TCR
    hw::Bits<BankSizes> sizes;
    hw::Bits<TableBase> base;
};

template <class Walk>
hw::Bits<Walk> walk_of(const Features& features) {
    const bool snoops = features.coherency == memory::Coherency::snooped;
    const std::uint64_t cache = snoops ? write_back : not_cached;
    return Walk::input_size.of(64 - features.input_bits) | Walk::inner.of(cache) |
           Walk::outer.of(cache) |
           Walk::shareability.of(snoops ? inner_shareable : outer_shareable);
}

Words words_of(const Bank& bank, const Features& features) {
    const std::uint16_t tag = tag_of(bank.index, features);
    Words words;
    words.attributes = BankAttributes::vmid.of(tag);
    words.base = TableBase::address.of_address(bank.root.value);
    if (features.stage == Stage::second) {
        words.attributes = words.attributes | BankAttributes::type(stage2_bank);
        words.walk =
            (walk_of<WalkStage2>(features) | WalkStage2::start_level.of(features.levels - 2) |
             WalkStage2::output_size.of(features.output_code) | WalkStage2::always_one(1))
                .raw();
        return words;
    }
    words.attributes = words.attributes | BankAttributes::type(stage1_bank) |
                       BankAttributes::memory(0xf) | BankAttributes::shareability(3);
    words.walk = (walk_of<WalkStage1>(features) | WalkStage1::upper_half_off(1)).raw();
    words.sizes =
        BankSizes::output_size.of(features.output_code) | BankSizes::sign_bit(upstream_sign);
    words.base = words.base | TableBase::asid.of(tag);
    return words;
}

}  // namespace

// TCR comes before TTBR0, of which it decides what is writable; M comes last.
Result<void> switch_on(const Hardware& hardware, const Bank& bank) noexcept {
    const Features& features = hardware.features();
    const Words words = words_of(bank, features);
    hardware.write_of(bank.index, BankFormat::aarch64(1));
    hardware.write_of(bank.index, words.attributes);
    if (features.stage == Stage::first) hardware.write_in(bank.index, words.sizes);
    hardware.write_in(bank.index, hw::Bits<WalkStage2>(words.walk));
    hardware.write_in(bank.index, words.base);
    if (features.stage == Stage::first) {
        hardware.write_in(bank.index, hw::Bits<UpperTableBase>(0));
        hardware.write_in(bank.index, hw::Bits<MemoryTypes>(memory_types));
        hardware.write_in(bank.index, hw::Bits<MoreMemoryTypes>(0));
    }
    hardware.write_in(bank.index, every_fault);
    hardware.write_in(bank.index, on);
    if (read_bank(hardware, bank.index) == bank) return {};
    return fail(EIO, fmt::format("{}: context bank {} does not hold what is written to it; it may be firmware's, and what led to it "
                                 "would pass", hardware.name(), bank.index));
}

// An access that somebody else has left stalled ends before the bank does (7: FSR, then RESUME).
void switch_off(const Hardware& hardware, unsigned bank) noexcept {
    if (hardware.read_in<BankFault>(bank).has(BankFault::stalled)) {
        hardware.write_in(bank, every_fault);
        hardware.write_in(bank, Resume::terminate(1));
    }
    hardware.write_in(bank, hw::Bits<BankControl>(0));
    hardware.write_in(bank, every_fault);
}

bool is_on(const Hardware& hardware, unsigned bank) noexcept {
    return hardware.read_in<BankControl>(bank).has(BankControl::translates);
}

std::optional<Bank> read_bank(const Hardware& hardware, unsigned index) noexcept {
    const Features& features = hardware.features();
    if (index < features.first_bank) return std::nullopt;
    const auto base = hardware.read_in<TableBase>(index);
    const Bank bank{index, PhysAddr{base.in_place(TableBase::address)}};
    const Words words = words_of(bank, features);
    const auto control = hardware.read_in<BankControl>(index);
    const bool same = control.raw() != ~std::uint32_t{0} && control.has(BankControl::translates) &&
                      !control.has(BankControl::stalls_faults) && base == words.base &&
                      hardware.read_of<BankFormat>(index).has(BankFormat::aarch64) &&
                      hardware.read_of<BankAttributes>(index) == words.attributes &&
                      hardware.read_in<WalkStage2>(index).raw() == words.walk;
    return same ? std::optional(bank) : std::nullopt;
}

// CACHE_LOCK keeps ACTLR from being written (from r2p0 on). Translations of what bypasses are not
// to be kept either.
bool stop_prefetching(const Hardware& hardware) noexcept {
    constexpr unsigned first_with_lock = 2;
    auto auxiliary = hardware.read<Auxiliary>();
    const auto found = auxiliary;
    if (hardware.features().major >= first_with_lock)
        auxiliary = auxiliary.without(Auxiliary::cache_lock);
    auxiliary = auxiliary.without(Auxiliary::caches_unmatched).without(Auxiliary::caches_bypasses);
    if (auxiliary != found) hardware.write(auxiliary);
    bool stopped = true;
    for (unsigned bank = 0; bank < hardware.features().banks; ++bank) {
        const auto control = hardware.read_in<BankAuxiliary>(bank);
        if (!control.has(BankAuxiliary::prefetches)) continue;
        hardware.write_in(bank, control.without(BankAuxiliary::prefetches));
        if (hardware.read_in<BankAuxiliary>(bank).has(BankAuxiliary::prefetches)) stopped = false;
    }
    return stopped;
}

}  // namespace smmu::units::smmuv2
