// SPDX-License-Identifier: Apache-2.0
#include "units/smmuv2/hardware.hpp"

#include <fmt/format.h>

namespace smmu::units::smmuv2 {
namespace {

// All ones are no status: nothing answers any more.
template <class R>
bool has_ended(hw::Bits<R> status, Field<R> active) {
    return status.raw() != ~std::uint32_t{0} && !status.has(active);
}

}  // namespace

Result<void> Hardware::wait_for_sync() noexcept {
    const bool ended = hw::wait_until(hw::Deadline(clock_, sync_limit), [&] {
        return has_ended(read<GlobalSyncStatus>(), GlobalSyncStatus::active);
    });
    if (ended) return {};
    return not_confirmed(GlobalSyncStatus::name);
}

Result<void> Hardware::wait_for_sync(unsigned bank) noexcept {
    const bool ended = hw::wait_until(hw::Deadline(clock_, sync_limit), [&] {
        return has_ended(read_in<BankSyncStatus>(bank), BankSyncStatus::active);
    });
    if (ended) return {};
    return not_confirmed(fmt::format("{} of bank {}", BankSyncStatus::name, bank));
}

Result<void> Hardware::sync() noexcept {
    write(StartGlobalSync::value);
    return wait_for_sync();
}

Result<void> Hardware::sync(unsigned bank) noexcept {
    write_in(bank, StartBankSync::value);
    return wait_for_sync(bank);
}

Result<void> Hardware::wait_for_syncs() noexcept {
    SMMU_CHECK(wait_for_sync());
    for (unsigned bank = features_.first_bank; bank < features_.banks; ++bank)
        SMMU_CHECK(wait_for_sync(bank));
    return {};
}

std::unexpected<Error> Hardware::not_confirmed(const std::string& what) const {
    return fail(EIO,
                fmt::format("{}: {} was not confirmed within {} ms (sCR0 {:#x}, sGFSR {:#x}); the "
                            "unit is stopped, reset the machine before its devices are used again",
                            name_, what, sync_limit.count() / 1'000'000, read<Control>().raw(),
                            read<GlobalFault>().raw()));
}

}  // namespace smmu::units::smmuv2
