// SPDX-License-Identifier: Apache-2.0
// NullUnit: an IOMMU without hardware. Its page tables are real and lie in the arena; what a register or a command
// would do costs nothing. What is left is the service's own work.
#pragma once

#include <cstdlib>

#include "null/devices.hpp"
#include "null/fault_log.hpp"
#include "paging/vtd_second_stage.hpp"
#include "units/paged_space.hpp"

namespace bench {

inline constexpr std::uint64_t null_leaf_sizes = std::uint64_t{1} << 12;  // so that 64 GiB are 16 Mi entries
inline constexpr unsigned null_address_bits = 48;

// Caches that forget at once.
class NullCaches final : public smmu::units::SpaceCaches {
public:
    smmu::Result<void> appeared(std::span<const smmu::paging::Map>) override { return {}; }
    void failed() noexcept override {}

private:
    smmu::Result<void> invalidate(const smmu::memory::Gather&) override { return {}; }
};

inline smmu::Result<std::unique_ptr<smmu::units::TableSpace>> make_null_space(smmu::memory::Arena& arena,
                                                                              smmu::memory::Account& account) {
    using Format = smmu::paging::VtdSecondStage;
    SMMU_TRY(auto table, smmu::paging::PageTable<Format>::create({.levels = 4,
                                                                  .input_bits = null_address_bits,
                                                                  .leaf_sizes = null_leaf_sizes,
                                                                  .coherency = smmu::memory::Coherency::snooped},
                                                                 arena, account));
    return std::make_unique<smmu::units::PagedSpace<Format>>(std::move(table), arena, std::make_unique<NullCaches>());
}

class NullUnit final : public smmu::units::IommuUnit {
public:
    explicit NullUnit(smmu::memory::Arena& arena) : arena_(arena) {
        capabilities_.input_bits = capabilities_.output_bits = null_address_bits;
        capabilities_.leaf_sizes = null_leaf_sizes;
        capabilities_.coherent = true;
        if (const char* const path = std::getenv(fault_log_variable)) faults_ = map_fault_log(path);
    }

    const smmu::units::Capabilities& capabilities() const noexcept override { return capabilities_; }
    smmu::units::UnitState state() const noexcept override { return smmu::units::UnitState::containing; }

    smmu::Result<std::unique_ptr<smmu::units::AddressSpace>> create_space(smmu::memory::Account& account) override {
        SMMU_TRY(auto space, make_null_space(arena_, account));
        return std::unique_ptr<smmu::units::AddressSpace>(std::move(space));
    }
    smmu::Result<void> retire(std::unique_ptr<smmu::units::AddressSpace> space) noexcept override {
        return static_cast<smmu::units::TableSpace&>(*space).release();
    }

    smmu::Result<smmu::units::TakeOver> take_over(std::span<const smmu::units::Assignment>) override {
        return smmu::units::TakeOver{};
    }
    smmu::Result<void> attach(smmu::StreamId, smmu::units::AddressSpace&) noexcept override { return {}; }
    smmu::Result<void> block(smmu::StreamId, smmu::units::Recording) noexcept override { return {}; }
    smmu::Result<void> record(smmu::StreamId, smmu::units::Recording) noexcept override { return {}; }
    void hard_stop() noexcept override {}
    smmu::Result<void> recheck() noexcept override { return {}; }
    smmu::Result<void> turn_off() noexcept override { return {}; }
    smmu::Result<void> leave(smmu::units::Kept) noexcept override { return {}; }
    smmu::units::UnitReport report() const override {
        smmu::units::UnitReport report;
        report.kind = "null";
        report.version = "1";
        report.mode = "4 levels";
        return report;
    }

    smmu::units::Drained drain(smmu::units::RefusalSink& sink) noexcept override {
        smmu::units::Drained drained;
        const std::uint64_t refused = faults_ != nullptr ? faults_->refused.load(std::memory_order_acquire) : 0;
        if (seen_ == refused) return drained;
        faults_->handed_over.store(monotonic_ns(), std::memory_order_release);
        for (; seen_ != refused; ++seen_, ++drained.seen) {
            smmu::units::Refusal refusal;
            refusal.stream = smmu::StreamId(1 + seen_ % null_devices);
            refusal.address = {seen_ << 12};
            refusal.access = smmu::Access::write;
            refusal.reason = smmu::units::Refusal::Reason::not_mapped;
            sink.refused(refusal);
        }
        return drained;
    }

private:
    smmu::memory::Arena& arena_;
    smmu::units::Capabilities capabilities_;
    FaultLog* faults_ = nullptr;
    std::uint64_t seen_ = 0;
};

}  // namespace bench
