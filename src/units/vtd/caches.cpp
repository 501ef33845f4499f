// SPDX-License-Identifier: Apache-2.0
#include "units/vtd/caches.hpp"

#include <algorithm>
#include <bit>

namespace smmu::units::vtd {

std::vector<Invalidate> requests_for(std::span<const IovaRange> ranges, std::uint16_t domain,
                                     bool leaf_only, const Features& features) {
    using What = Invalidate::What;
    const std::vector<Invalidate> whole_domain{
        {.what = What::translations_of_domain, .domain = domain}};
    if (!features.page_selective) return whole_domain;
    std::vector<Invalidate> requests;
    for (const IovaRange& range : ranges) {
        const std::uint64_t first = range.first.value >> 12, last = range.last.value >> 12;
        // The smallest power of two that holds the range when aligned luckily; two of them hold it
        // always.
        const auto wanted = static_cast<unsigned>(std::bit_width(last - first));
        const unsigned mask = std::min(wanted, features.largest_address_mask);
        const std::uint64_t first_block = first >> mask, last_block = last >> mask;
        if (last_block - first_block >= page_selective_limit - requests.size()) return whole_domain;
        for (std::uint64_t block = first_block; block <= last_block; ++block)
            requests.push_back({.what = What::pages,
                                .domain = domain,
                                .address = {block << (mask + 12)},
                                .address_mask = mask,
                                .leaf_only = leaf_only});
    }
    return requests;
}

Result<void> UnitCaches::check_running() const {
    if (unit_.state() != UnitState::failed) return {};
    return fail(EIO, hardware_.name() +
                         ": the unit is stopped, its caches cannot be made to forget; treat the "
                         "memory as reachable until it was taken over again");
}

Result<void> UnitCaches::forget(std::span<const Invalidate> requests) noexcept {
    SMMU_CHECK(check_running());
    if (way_ == nullptr || requests.empty()) return {};
    ++flushes_;
    auto done = way_->run(requests);
    if (!done) unit_.hard_stop();
    return done;
}

Result<void> UnitCaches::forget_everything() noexcept {
    return forget(everything);
}

Result<void> UnitCaches::appeared(std::span<const Invalidate> requests) noexcept {
    SMMU_CHECK(check_running());
    // An invalidation flushes the write buffer too.
    if (features().caches_absent) return forget(requests);
    if (way_ == nullptr) return {};
    auto flushed = hardware_.flush_write_buffer();
    if (!flushed) unit_.hard_stop();
    return flushed;
}

void UnitCaches::failed() noexcept {
    if (unit_.state() != UnitState::failed) unit_.hard_stop();
}

Result<void> DomainCaches::invalidate(const memory::Gather& gathered) {
    using What = Invalidate::What;
    if (gathered.everything()) {
        // The end of the space: its id may be given to another one after this.
        const Invalidate whole[] = {{.what = What::contexts_of_domain, .domain = domain_},
                                    {.what = What::pasids_of_domain, .domain = domain_},
                                    {.what = What::translations_of_domain, .domain = domain_}};
        return caches_.forget(whole);
    }
    return caches_.forget(
        requests_for(gathered.ranges(), domain_, gathered.leaf_only(), caches_.features()));
}

Result<void> DomainCaches::appeared(std::span<const paging::Map> additions) {
    std::vector<IovaRange> ranges;
    if (caches_.features().caches_absent) {
        ranges.reserve(additions.size());
        for (const paging::Map& addition : additions) ranges.push_back(addition.range);
    }
    return caches_.appeared(requests_for(ranges, domain_, false, caches_.features()));
}

}  // namespace smmu::units::vtd
