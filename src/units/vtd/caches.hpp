// SPDX-License-Identifier: Apache-2.0
// UnitCaches and DomainCaches: what the unit remembers of its tables, as a whole and of one address
// space. Whatever was gathered is confirmed to be forgotten, or the unit is stopped.
#pragma once

#include <vector>

#include "units/paged_space.hpp"
#include "units/vtd/hardware.hpp"
#include "units/vtd/invalidation.hpp"

namespace smmu::units::vtd {

// More pieces than this are slower to queue than to refill what a whole domain loses.
inline constexpr std::size_t page_selective_limit = 16;

// The requests that make the unit forget `ranges` of a domain: naturally aligned powers of two that
// the unit can say, or the whole domain where these are too many.
std::vector<Invalidate> requests_for(std::span<const IovaRange> ranges, std::uint16_t domain,
                                     bool leaf_only, const Features& features);

class UnitCaches final : public memory::Invalidator {
public:
    UnitCaches(Hardware& hardware, IommuUnit& unit) : hardware_(hardware), unit_(unit) {}

    // From now on the unit looks at tables, and this is the way to make it forget them.
    void attach_to(Invalidation& way) { way_ = &way; }
    // The unit looks at no table any more and remembers nothing that counts.
    void detach() { way_ = nullptr; }

    // Returns when the hardware confirmed; otherwise the unit was stopped. Nothing to do for a unit
    // that was not taken over: it has not seen any table of ours.
    Result<void> forget(std::span<const Invalidate> requests) noexcept;
    Result<void> forget_everything() noexcept;
    // After entries appeared where there were none.
    Result<void> appeared(std::span<const Invalidate> requests) noexcept;
    void failed() noexcept;

    const Features& features() const { return hardware_.features(); }
    std::uint64_t flushes() const { return flushes_; }

private:
    Result<void> invalidate(const memory::Gather&) override { return forget_everything(); }
    // EIO when the unit is stopped.
    Result<void> check_running() const;

    Hardware& hardware_;
    IommuUnit& unit_;
    Invalidation* way_ = nullptr;
    std::uint64_t flushes_ = 0;
};

class DomainCaches final : public SpaceCaches {
public:
    DomainCaches(UnitCaches& caches, std::uint16_t domain) : caches_(caches), domain_(domain) {}

    Result<void> appeared(std::span<const paging::Map> additions) override;
    void failed() noexcept override { caches_.failed(); }

private:
    Result<void> invalidate(const memory::Gather& gathered) override;

    UnitCaches& caches_;
    std::uint16_t domain_;
};

}  // namespace smmu::units::vtd
