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

// What the unit needs of its own spaces, whatever format their tables have.
class TableSpace : public AddressSpace {
public:
    // What hardware starts a walk at.
    virtual PhysAddr root() const = 0;
    // Unlinks all and flushes everything of the space; its frames are free afterwards (quarantined on
    // EIO), and so is what `gathered` holds already.
    virtual Result<void> release(memory::Gather&& gathered = {}) noexcept = 0;
};

template <paging::Format F>
class PagedSpace final : public TableSpace {
public:
    // `caches` knows the unit and the tag of this space and lives as long as it.
    PagedSpace(paging::PageTable<F> table, memory::Arena& arena, std::unique_ptr<SpaceCaches> caches)
        : table_(std::move(table)), arena_(arena), caches_(std::move(caches)) {}

    Result<bool> map_in_place(const paging::Map& map) noexcept override {
        if (!table_.map_in_place(map)) return false;
        if (auto visible = caches_->appeared({&map, 1}); !visible) return stopped(std::move(visible));
        return true;
    }
    Result<bool> unmap_in_place(IovaRange range) noexcept override {
        if (!table_.unmap_in_place(range)) return false;
        if (auto forgotten = caches_->forget(range); !forgotten) return stopped(std::move(forgotten));
        return true;
    }

    Result<Plan> prepare(std::span<const Change> changes) override { return table_.prepare(changes); }

    // Remove, flush once, reclaim; then add, in as many calls as the budget asks for.
    Result<Progress> commit(Plan& plan, Budget& budget) noexcept override {
        if (plan.stage == Plan::Stage::done) return Progress::done;
        if (plan.stage == Plan::Stage::removing && !plan.removals().empty()) SMMU_CHECK(remove(plan));
        if (table_.add(plan, budget) == Progress::more) return Progress::more;
        if (plan.additions().empty()) return Progress::done;
        if (auto visible = caches_->appeared(plan.additions()); !visible) return stopped(std::move(visible));
        return Progress::done;
    }

    void abandon(Plan&& plan) noexcept override {
        if (plan.stage == Plan::Stage::done) return;
        table_.abandon(std::move(plan));
        plan.stage = Plan::Stage::done;
    }

    paging::Target translate(Iova address) const noexcept override { return table_.target(address); }

    std::uint64_t table_frames() const noexcept override { return table_.table_frames(); }

    PhysAddr root() const override { return table_.root(); }
    const paging::PageTable<F>& table() const { return table_; }
    SpaceCaches& caches() { return *caches_; }

    Result<void> release(memory::Gather&& gathered = {}) noexcept override {
        table_.release(gathered);
        return flush(std::move(gathered));
    }

private:
    // Hardware did not confirm.
    template <class T>
    [[gnu::cold, gnu::noinline]] std::unexpected<Error> stopped(Result<T>&& said) noexcept {
        caches_->failed();
        return pass_on(std::move(said));
    }

    Result<void> remove(Plan& plan) noexcept {
        memory::Gather gathered;
        table_.remove(plan, gathered);
        if (gathered.empty()) return {};
        Result<void> forgotten = flush(std::move(gathered));
        if (forgotten)
            table_.regain(plan);
        else
            abandon(std::move(plan));
        return forgotten;
    }

    Result<void> flush(memory::Gather&& gathered) noexcept {
        auto flushed = caches_->flush(std::move(gathered), arena_);
        if (!flushed) return stopped(std::move(flushed));
        arena_.reclaim(std::move(*flushed));
        return {};
    }

    paging::PageTable<F> table_;
    memory::Arena& arena_;
    std::unique_ptr<SpaceCaches> caches_;
};

}  // namespace smmu::units
