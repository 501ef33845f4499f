// SPDX-License-Identifier: Apache-2.0
// PageTable: one engine for every format. Entries go empty -> link, empty -> leaf and anything -> empty, never
// valid to valid: break-before-make is not a rule to remember but the only thing the engine can do. A table is
// linked only after its last slot was written; no empty table stays linked.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "base/result.hpp"
#include "memory/arena.hpp"
#include "memory/gather.hpp"
#include "paging/change.hpp"
#include "paging/format.hpp"
#include "paging/target.hpp"

namespace smmu::paging {

struct Translation {
    PhysAddr physical;
    Access access;
    unsigned leaf_log2;
};

template <Format F>
class PageTable {
public:
    // Takes the root frame (ENOMEM, EDQUOT). EINVAL for a geometry the format cannot have. The arena and
    // the account outlive the table.
    static Result<PageTable> create(Geometry geometry, memory::Arena& arena, memory::Account& account);
    PageTable(PageTable&&) noexcept;
    ~PageTable();  // release() must have been called

    PhysAddr root() const;
    const Geometry& geometry() const;

    // The two changes that need neither frames nor steps: leaves put where nothing is, or taken away, in one table that is
    // there and stays. False: nothing was done, because it takes more, or cannot be, or a plan is out: prepare it. Of leaves
    // that were taken away the caller flushes `range`; no table was retired.
    bool map_in_place(const Map& map) noexcept;
    bool unmap_in_place(IovaRange range) noexcept;

    // Checks a request and takes all it can need. Until the plan is committed or abandoned the table takes no other
    // (EBUSY). ERANGE outside the widths, EINVAL misaligned / overlapping what
    // stays mapped / an access the format cannot say, ENOMEM, EDQUOT. Requests that only unmap never fail for lack of
    // frames (a reserve is kept; when even that is gone Plan::starved says what closes too). Nothing changes.
    Result<Plan> prepare(std::span<const Change> changes);
    // Gives back what a plan holds that will not be committed, or not to its end: what it did stays done.
    void abandon(Plan&& plan) noexcept;

    // The two halves of a commit. remove() clears entries and fills `gathered`; the caller flushes and reclaims, and calls
    // regain() before anybody else may take what came back; then add() until done. A table cut off whole is not visited entry by entry on the hardware's side: one store unlinks it.
    void remove(Plan& plan, memory::Gather& gathered) noexcept;
    void regain(Plan& plan) noexcept;
    Progress add(Plan& plan, Budget& budget) noexcept;

    std::optional<Translation> translate(Iova address) const noexcept;
    Target target(Iova address) const noexcept;  // only where to
    // Every leaf, ascending.
    void visit(const std::function<void(IovaRange, const Translation&)>& leaf) const;
    std::uint64_t table_frames() const noexcept;  // frames held, root and reserve included
    // Empty when all invariants hold (counts, no empty table, no shared frame), else the first breach.
    std::string check_shape() const;

    // Unlinks and hands every frame, root included, to `gathered`. The table is unusable afterwards.
    void release(memory::Gather& gathered) noexcept;

private:
    struct State;
    class Preparation;
    class Filling;
    explicit PageTable(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace smmu::paging
