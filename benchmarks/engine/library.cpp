// SPDX-License-Identifier: Apache-2.0
// libsmmu-engine-bench.so: the page-table engine behind the function table of bench_engine.h, one entry per format, for
// walkers that snoop the processor's caches and for those that do not. Requests go the way the service's do, through
// AddressSpace: in place where that can be, else prepare, commit, flush and reclaim. Only the caches of a unit are missing: they confirm at once.
#include <sys/mman.h>

#include <cstdio>
#include <cstdlib>

#include "benchmarks/engine/bench_engine.h"
#include "paging/arm_stage1.hpp"
#include "paging/arm_stage2.hpp"
#include "paging/vtd_first_stage.hpp"
#include "paging/vtd_second_stage.hpp"
#include "units/paged_space.hpp"

namespace {

using namespace smmu;
using memory::Coherency;

constexpr unsigned levels = 4, input_bits = 48, largest_leaf_log2 = 30;
constexpr std::uint64_t leaf_sizes = std::uint64_t{1} << 12 | std::uint64_t{1} << 21 | std::uint64_t{1} << 30;
constexpr std::uint64_t arena_bytes = std::uint64_t{512} << 20;  // the tables of 255 GiB in pages of 4 KiB
constexpr PhysAddr arena_at{std::uint64_t{1} << 44};

[[noreturn]] void give_up(const std::string& why) {
    std::fprintf(stderr, "smmu-engine-bench: %s\n", why.c_str());
    std::abort();
}

// Memory for tables, in large pages where there are some. It is there before it is used, as the service's is, which is pinned.
class TablePool {
public:
    TablePool() {
        constexpr std::uint64_t page = std::uint64_t{2} << 20;
        start_ = mmap(nullptr, arena_bytes + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (start_ == MAP_FAILED) give_up("no memory");
        const auto aligned = (reinterpret_cast<std::uintptr_t>(start_) + page - 1) & ~(page - 1);
        bytes_ = {reinterpret_cast<std::byte*>(aligned), arena_bytes};
        (void)madvise(bytes_.data(), bytes_.size(), MADV_HUGEPAGE);
        if (madvise(bytes_.data(), bytes_.size(), MADV_POPULATE_WRITE) != 0) give_up("no memory to be had");
    }
    TablePool(const TablePool&) = delete;
    TablePool& operator=(const TablePool&) = delete;
    ~TablePool() { munmap(start_, arena_bytes + (std::uint64_t{2} << 20)); }

    memory::TableMemory memory() const { return {*PhysRange::from_length(arena_at, arena_bytes), bytes_}; }

private:
    void* start_;
    std::span<std::byte> bytes_;
};

// Caches that forget at once, and count the bytes they were told to forget.
class NoCaches final : public units::SpaceCaches {
public:
    explicit NoCaches(std::uint64_t& forgotten) : forgotten_(forgotten) {}
    Result<void> appeared(std::span<const paging::Map>) override { return {}; }
    void failed() noexcept override { give_up("a flush failed"); }

private:
    Result<void> invalidate(const memory::Gather& gathered) override {
        for (const IovaRange& range : gathered.ranges()) forgotten_ += range.length();
        return {};
    }
    std::uint64_t& forgotten_;
};

template <paging::Format F>
class Engine {
public:
    explicit Engine(Coherency coherency)
        : arena_(*memory::Arena::open(pool_.memory(), {})),
          space_(*paging::PageTable<F>::create({levels, input_bits, leaf_sizes, coherency}, *arena_, account_), *arena_,
                 std::make_unique<NoCaches>(forgotten_)) {}
    ~Engine() {
        if (!space_.release()) give_up("a space was not released");
    }

    int map(const paging::Map& map) {
        const auto done = space_.map_in_place(map);
        if (!done) return done.error().code;
        return *done ? 0 : request(map);
    }
    std::uint64_t unmap(IovaRange range) {
        forgotten_ = 0;
        const auto done = space_.unmap_in_place(range);
        if (!done || (!*done && request(paging::Unmap{range}) != 0)) return 0;
        return forgotten_;
    }
    int request(const paging::Change& change) {
        auto plan = space_.prepare({&change, 1});
        if (!plan) return plan.error().code;
        paging::Budget all;
        const auto progress = space_.commit(*plan, all);
        return progress && *progress == paging::Progress::done ? 0 : EIO;
    }
    std::uint64_t translate(Iova address) const {
        return space_.translate(address).physical.value;
    }
    std::uint64_t table_bytes() const { return space_.table_frames() << memory::frame_log2; }

private:
    TablePool pool_;
    std::unique_ptr<memory::Arena> arena_;
    memory::Account account_;
    std::uint64_t forgotten_ = 0;
    units::PagedSpace<F> space_;
};

template <paging::Format F, Coherency coherency>
constexpr ptb_engine engine(const char* name, const char* format) {
    return {
        .abi = PTB_ABI,
        .name = name,
        .fmt = format,
        .incoherent = coherency == Coherency::not_snooped,
        .create = []() -> void* { return new Engine<F>(coherency); },
        .destroy = [](void* e) { delete static_cast<Engine<F>*>(e); },
        .map =
            [](void* e, std::uint64_t iova, std::uint64_t physical, std::uint64_t length) {
                const paging::Map map{{{iova}, {iova + length - 1}}, {physical}, read_write};
                return static_cast<Engine<F>*>(e)->map(map);
            },
        .unmap = [](void* e, std::uint64_t iova, std::uint64_t length) -> std::uint64_t {
            return static_cast<Engine<F>*>(e)->unmap({{iova}, {iova + length - 1}});
        },
        .walk = [](void* e, std::uint64_t iova) -> std::uint64_t { return static_cast<Engine<F>*>(e)->translate({iova}); },
        .table_bytes = [](void* e) -> std::uint64_t { return static_cast<Engine<F>*>(e)->table_bytes(); },
        .max_leaf_lg2 = [] { return largest_leaf_log2; },
        .map_list =
            [](void* e, std::uint64_t iova, const std::uint64_t* pages, std::size_t count) {
                static_assert(sizeof(PhysAddr) == sizeof(std::uint64_t));
                const IovaRange range{{iova}, {iova + (count << 12) - 1}};
                const auto* const list = reinterpret_cast<const PhysAddr*>(pages);
                return static_cast<Engine<F>*>(e)->map({range, {}, read_write, list});
            },
    };
}

constexpr ptb_engine engines[] = {
    engine<paging::ArmStage1, Coherency::snooped>("smmuman/armv8-s1", "armv8-s1"),
    engine<paging::ArmStage1, Coherency::not_snooped>("smmuman/armv8-s1-incoherent", "armv8-s1"),
    engine<paging::ArmStage2, Coherency::snooped>("smmuman/armv8-s2", "armv8-s2"),
    engine<paging::ArmStage2, Coherency::not_snooped>("smmuman/armv8-s2-incoherent", "armv8-s2"),
    engine<paging::VtdSecondStage, Coherency::snooped>("smmuman/vtdss", "vtdss"),
    engine<paging::VtdSecondStage, Coherency::not_snooped>("smmuman/vtdss-incoherent", "vtdss"),
    engine<paging::VtdFirstStage, Coherency::snooped>("smmuman/x86_64", "x86_64"),
    engine<paging::VtdFirstStage, Coherency::not_snooped>("smmuman/x86_64-incoherent", "x86_64"),
};

}  // namespace

extern "C" [[gnu::visibility("default")]] const ptb_engine* ptb_engine_get(int index) {
    return index >= 0 && static_cast<std::size_t>(index) < std::size(engines) ? &engines[index] : nullptr;
}
