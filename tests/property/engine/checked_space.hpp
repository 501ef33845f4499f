// SPDX-License-Identifier: Apache-2.0
// CheckedSpace: a PagedSpace with everything that can be known about it from outside: a plain map of what was asked,
// a device whose caches forget only what they are told, and pictures of the tables before, at and after each flush.
// Problems are collected, not asserted, so that a test can also demand that one is found.
#pragma once

#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "base/interval_map.hpp"
#include "tests/property/engine/caching_walker.hpp"
#include "units/paged_space.hpp"

namespace smmu::paging::test {

struct Target {
    std::uint64_t physical;
    Access access;
    Target advanced(std::uint64_t bytes) const { return {physical + bytes, access}; }
    friend bool operator==(const Target&, const Target&) = default;
};
using Oracle = IntervalMap<Iova, Target>;
using Random = std::mt19937_64;

// How the device's caches are told to forget: right, or wrong in one of these ways.
enum class Fault {
    none,
    nothing_forgotten,
    last_page_kept,       // each range one page too short
    first_range_kept,     // of several
    walk_cache_kept,      // leaf-only when tables were retired
    forgotten_too_late,   // at the next flush: frames are free before
    other_tag,            // another space's caches
};

class CheckedSpaceBase {
public:
    virtual ~CheckedSpaceBase() = default;

    struct Options {
        std::uint64_t budget = ~std::uint64_t{0};  // per step
        int abandon_after = -1;                    // steps; -1: never
    };
    // Carries a request out and checks all of it; returns the code it was refused with, or 0.
    int request(const std::vector<Change>& changes, Options options);
    // An access of the device, which must see what was asked for.
    void touch(std::uint64_t iova);
    // Frees everything; the space cannot be used afterwards.
    void release();

    virtual std::string shape() const = 0;  // the engine's own check

    const Oracle& oracle() const { return oracle_; }
    const std::string& problem() const { return problem_; }
    CachingWalker& walker() { return *walker_; }
    void set_fault(Fault fault, CheckedSpaceBase* other = nullptr) {
        fault_ = fault;
        other_ = other;
    }
    // Run once, inside the next flush, before anything is forgotten: to do harm.
    std::function<void()> at_flush;
    std::uint64_t flushes = 0, starved = 0, disturbed = 0, steps = 0, in_place = 0;

protected:
    CheckedSpaceBase(memory::Arena& arena, memory::TableMemory memory, Layout layout, Geometry geometry,
                     std::uint64_t seed)
        : arena_(arena), memory_(memory), layout_(std::move(layout)), geometry_(geometry), random_(seed) {}

    class Caches final : public units::SpaceCaches {
    public:
        explicit Caches(CheckedSpaceBase& owner) : owner_(owner) {}
        Result<void> appeared(std::span<const Map>) override { return {}; }
        void failed() noexcept override { owner_.note("the flush failed"); }

    private:
        Result<void> invalidate(const memory::Gather& gathered) override {
            owner_.flushing(gathered);
            return {};
        }
        CheckedSpaceBase& owner_;
    };

    void start(PhysAddr root) {
        walker_ = std::make_unique<CachingWalker>(memory_, layout_, root.value);
    }
    virtual units::AddressSpace& space() = 0;
    virtual Result<void> release_space() = 0;

private:
    void note(const std::string& what) {
        if (problem_.empty()) problem_ = what;
    }
    void flushing(const memory::Gather& gathered);
    void forget(const memory::Gather& gathered);
    void assign(Oracle& oracle, const Map& map) const;
    bool overlaps_something(const std::vector<Change>& changes) const;
    void check_plan(const Plan& plan, const std::vector<Change>& changes);
    void check_between(const Oracle& at_least, const Oracle& at_most);
    void check_now(const Oracle& expected);
    bool request_in_place(const Change& change);
    void touch_around(const std::vector<Change>& changes);
    Oracle seen(const CachingWalker::Picture& picture) const;
    // Whether a word of a table of `earlier_` is neither as it was, nor a removal, nor (where allowed) in an empty place.
    enum class Allowed { removals, additions };
    bool changed_otherwise(Allowed allowed) const;

    memory::Arena& arena_;
    memory::TableMemory memory_;
    Layout layout_;
    Geometry geometry_;
    Random random_;
    std::unique_ptr<CachingWalker> walker_;
    Oracle oracle_;  // what was asked for
    std::string problem_;
    Fault fault_ = Fault::none;
    CheckedSpaceBase* other_ = nullptr;
    std::vector<std::pair<std::vector<IovaRange>, bool>> late_;
    CachingWalker::Picture earlier_;  // the tables when entries were last allowed to go
    bool releasing_ = false;
};

template <Format F>
class CheckedSpace final : public CheckedSpaceBase {
public:
    CheckedSpace(memory::Arena& arena, memory::TableMemory memory, memory::Account& account, Geometry geometry,
                 Layout layout, std::uint64_t seed)
        : CheckedSpaceBase(arena, memory, std::move(layout), geometry, seed),
          space_(*PageTable<F>::create(geometry, arena, account), arena, std::make_unique<Caches>(*this)) {
        start(space_.table().root());
    }

    std::string shape() const override { return space_.table().check_shape(); }

private:
    units::AddressSpace& space() override { return space_; }
    Result<void> release_space() override { return space_.release(); }

    units::PagedSpace<F> space_;
};

}  // namespace smmu::paging::test
