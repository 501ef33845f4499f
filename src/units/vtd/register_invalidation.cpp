// SPDX-License-Identifier: Apache-2.0
#include "units/vtd/register_invalidation.hpp"

namespace smmu::units::vtd {
namespace {

enum Granularity : std::uint64_t { refused = 0, global = 1, of_domain = 2, exact = 3 };

Granularity granularity_of(Invalidate::What what) {
    switch (what) {
        case Invalidate::What::all_contexts:
        case Invalidate::What::all_pasids:
        case Invalidate::What::all_translations:
            return global;
        case Invalidate::What::contexts_of_domain:
        case Invalidate::What::pasids_of_domain:
        case Invalidate::What::translations_of_domain:
            return of_domain;
        case Invalidate::What::context_of_source:
        case Invalidate::What::pages:
            return exact;
    }
    return global;
}

}  // namespace

Result<void> RegisterInvalidation::run(std::span<const Invalidate> requests) noexcept {
    for (const Invalidate& request : requests) {
        // Registers work in legacy mode only, which has no PASIDs.
        if (request.cache() == Invalidate::Cache::pasids) continue;
        SMMU_CHECK(request.cache() == Invalidate::Cache::contexts ? forget_contexts(request)
                                                                  : forget_translations(request));
    }
    return {};
}

Result<void> RegisterInvalidation::forget_contexts(const Invalidate& request) {
    const hw::Registers& registers = hardware_.registers();
    const auto idle = [&] { return !registers.read<ContextCommand>().has(ContextCommand::busy); };
    if (!hw::wait_until(hardware_.deadline(), idle)) return hardware_.not_confirmed("CCMD.ICC");
    hardware_.count_command();
    registers.write(
        ContextCommand::busy(1) | ContextCommand::granularity.of(granularity_of(request.what)) |
        ContextCommand::source.of(request.source) | ContextCommand::domain.of(request.domain));
    if (!hw::wait_until(hardware_.deadline(), idle)) return hardware_.not_confirmed("CCMD.ICC");
    if (registers.read<ContextCommand>()[ContextCommand::actual] == refused)
        return hardware_.not_confirmed("CCMD.CAIG");
    return {};
}

Result<void> RegisterInvalidation::forget_translations(const Invalidate& request) {
    const hw::Registers& registers = hardware_.registers();
    const Features& features = hardware_.features();
    const std::uint64_t base = features.invalidation_registers;
    const auto idle = [&] {
        return !registers.read<InvalidateTranslations>(base).has(InvalidateTranslations::busy);
    };
    if (!hw::wait_until(hardware_.deadline(), idle)) return hardware_.not_confirmed("IOTLB.IVT");
    hardware_.count_command();
    if (request.what == Invalidate::What::pages)
        registers.write(InvalidateAddress::address.of_address(request.address.value) |
                            InvalidateAddress::leaf_only.of(request.leaf_only ? 1 : 0) |
                            InvalidateAddress::address_mask.of(request.address_mask),
                        base);
    registers.write(InvalidateTranslations::busy(1) |
                        InvalidateTranslations::granularity.of(granularity_of(request.what)) |
                        InvalidateTranslations::drain_reads.of(features.drains_reads ? 1 : 0) |
                        InvalidateTranslations::drain_writes.of(features.drains_writes ? 1 : 0) |
                        InvalidateTranslations::domain.of(request.domain),
                    base);
    if (!hw::wait_until(hardware_.deadline(), idle)) return hardware_.not_confirmed("IOTLB.IVT");
    if (registers.read<InvalidateTranslations>(base)[InvalidateTranslations::actual] == refused)
        return hardware_.not_confirmed("IOTLB.IAIG");
    return {};
}

}  // namespace smmu::units::vtd
