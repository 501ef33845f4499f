// SPDX-License-Identifier: Apache-2.0
#include "units/smmuv2/caches.hpp"

namespace smmu::units::smmuv2 {
namespace {

// Nothing when they are more than is worth it.
std::optional<std::uint64_t> pages_of(std::span<const IovaRange> ranges) {
    std::uint64_t pages = 0;
    for (const IovaRange& range : ranges) {
        pages += (range.last.value >> 12) - (range.first.value >> 12) + 1;
        if (pages > single_page_limit) return std::nullopt;
    }
    return pages;
}

}  // namespace

Result<void> UnitCaches::check_running() const {
    if (unit_.state() != UnitState::failed) return {};
    return fail(EIO, hardware_.name() +
                         ": the unit is stopped, its caches cannot be made to forget; treat the "
                         "memory as reachable until it was taken over again");
}

Result<void> UnitCaches::confirmed(Result<void> synced) noexcept {
    if (!synced) unit_.hard_stop();
    return synced;
}

Result<void> UnitCaches::forget(std::uint16_t tag) noexcept {
    SMMU_CHECK(check_running());
    if (!attached_) return {};
    ++flushes_;
    ++commands_;
    if (hardware_.features().stage == Stage::second) {
        hardware_.write(ForgetVmid::vmid.of(tag));
        return confirmed(hardware_.sync());
    }
    const unsigned bank = bank_of(tag, hardware_.features());
    hardware_.write_in(bank, ForgetAsid::asid.of(tag));
    return confirmed(hardware_.sync(bank));
}

void UnitCaches::forget_page(unsigned bank, std::uint16_t tag, std::uint64_t page) noexcept {
    ++commands_;
    if (hardware_.features().stage == Stage::second)
        hardware_.write_in(bank, ForgetLeafStage2::page.of(page));
    else
        hardware_.write_in(bank, ForgetLeafStage1::page.of(page) | ForgetLeafStage1::asid.of(tag));
}

Result<void> UnitCaches::forget(std::uint16_t tag, std::span<const IovaRange> ranges) noexcept {
    SMMU_CHECK(check_running());
    if (!attached_ || ranges.empty()) return {};
    if (!by_page_ || !pages_of(ranges)) return forget(tag);
    ++flushes_;
    const unsigned bank = bank_of(tag, hardware_.features());
    for (const IovaRange& range : ranges)
        for (std::uint64_t page = range.first.value >> 12; page <= range.last.value >> 12; ++page)
            forget_page(bank, tag, page);
    return confirmed(hardware_.sync(bank));
}

Result<void> UnitCaches::forget_everything() noexcept {
    SMMU_CHECK(check_running());
    if (!attached_) return {};
    ++flushes_;
    commands_ += 2;
    hardware_.write(ForgetAllHypervisor::value);
    hardware_.write(ForgetAllClients::value);
    return confirmed(hardware_.sync());
}

void UnitCaches::failed() noexcept {
    if (unit_.state() != UnitState::failed) unit_.hard_stop();
}

// Where a table was unlinked the whole space is forgotten: some units keep a pointer to a table
// that another one replaced (Tegra194).
Result<void> TagCaches::invalidate(const memory::Gather& gathered) {
    if (gathered.everything() || !gathered.leaf_only()) return caches_.forget(tag_);
    return caches_.forget(tag_, gathered.ranges());
}

}  // namespace smmu::units::smmuv2
