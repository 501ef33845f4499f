// SPDX-License-Identifier: Apache-2.0
// PagedSpace: an AddressSpace made of page tables in table memory, for every unit that walks them itself.
#pragma once

#include "memory/gather.hpp"
#include "paging/page_table.hpp"
#include "units/unit.hpp"

namespace smmu::units {

// The caches of one space on one unit.
class SpaceCaches : public memory::Invalidator {
public:
    // After entries appeared where there were none. Nothing to do on most hardware; units that cache "not present" (VT-d
    // caching mode) or buffer writes (RWBF) act here. Returns when hardware sees the new entries.
    virtual Result<void> appeared(std::span<const paging::Map> additions) = 0;
    // The hardware did not confirm a flush: stop the unit by registers alone.
    virtual void failed() noexcept = 0;
};

template <paging::Format F>
class PagedSpace final : public AddressSpace {
public:
    // `caches` knows the unit and the tag of this space and lives as long as it.
    PagedSpace(paging::PageTable<F> table, memory::Arena& arena, std::unique_ptr<SpaceCaches> caches);

    Result<Plan> prepare(std::span<const Change> changes) override;
    Result<Progress> commit(Plan& plan, Budget& budget) noexcept override;
    void abandon(Plan&& plan) noexcept override;
    std::optional<PhysAddr> translate(Iova address) const noexcept override;
    std::uint64_t table_frames() const noexcept override;

    const paging::PageTable<F>& table() const;
    SpaceCaches& caches();
    // Unlinks all and flushes everything of the space; its frames are free afterwards (quarantined on EIO).
    Result<void> release() noexcept;
};

}  // namespace smmu::units
