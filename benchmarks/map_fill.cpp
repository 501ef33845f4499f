// SPDX-License-Identifier: Apache-2.0
// How fast page tables are filled and taken away, next to the floor: storing as many bytes of entries in a row, in the
// same memory. Prints medians of rounds in which both take turns.
//
//   map_fill [rounds]
//
// rooms: paging
#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <vector>

#include "paging/vtd_second_stage.hpp"

namespace {

using namespace smmu;
using paging::VtdSecondStage;
using Table = paging::PageTable<VtdSecondStage>;

constexpr std::uint64_t arena_bytes = std::uint64_t{256} << 20;
constexpr std::uint64_t region_bytes = std::uint64_t{64} << 30;
constexpr PhysAddr arena_at{std::uint64_t{1} << 40};
constexpr std::uint64_t only_4k = std::uint64_t{1} << 12;
constexpr std::uint64_t up_to_2m = only_4k | std::uint64_t{1} << 21;

// Large pages where the machine has them set aside, else as the kernel likes; touched once.
std::span<std::byte> memory_of(std::uint64_t bytes) {
    constexpr int protection = PROT_READ | PROT_WRITE, flags = MAP_PRIVATE | MAP_ANONYMOUS;
    void* start = mmap(nullptr, bytes, protection, flags | MAP_HUGETLB, -1, 0);
    if (start == MAP_FAILED) {
        start = mmap(nullptr, bytes, protection, flags, -1, 0);
        if (start == MAP_FAILED) std::abort();
        madvise(start, bytes, MADV_HUGEPAGE);
    }
    std::fill_n(static_cast<std::byte*>(start), bytes, std::byte{0x5A});
    return {static_cast<std::byte*>(start), bytes};
}

// Caches that forget at once: what is left is the engine's own work.
class NoCaches final : public memory::Invalidator {
    Result<void> invalidate(const memory::Gather&) override { return {}; }
};

class Times {
public:
    template <class Work>
    void measure(Work work) {
        const auto start = std::chrono::steady_clock::now();
        work();
        const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
        milliseconds_.push_back(took.count());
    }
    double median() {
        std::sort(milliseconds_.begin(), milliseconds_.end());
        return milliseconds_[milliseconds_.size() / 2];
    }

private:
    std::vector<double> milliseconds_;
};

struct Bench {
    explicit Bench(std::uint64_t leaf_sizes)
        : bytes(memory_of(arena_bytes)),
          arena(*memory::Arena::open({*PhysRange::from_length(arena_at, arena_bytes), bytes}, {})),
          table(*Table::create({4, 48, leaf_sizes, memory::Coherency::snooped}, *arena, account)) {}
    ~Bench() {
        memory::Gather gathered;
        table.release(gathered);
        arena->reclaim(*caches.flush(std::move(gathered), *arena));
        munmap(bytes.data(), bytes.size());
    }

    paging::Plan prepare(const paging::Change& change) {
        auto plan = table.prepare(std::span(&change, 1));
        if (!plan) {
            fmt::print(stderr, "{}\n", plan.error().text);
            std::abort();
        }
        return std::move(*plan);
    }
    void commit(paging::Plan& plan) {
        memory::Gather gathered;
        table.remove(plan, gathered);
        arena->reclaim(*caches.flush(std::move(gathered), *arena));
        paging::Budget all;
        if (table.add(plan, all) != paging::Progress::done) std::abort();
    }

    std::span<std::byte> bytes;
    std::unique_ptr<memory::Arena> arena;
    memory::Account account;
    NoCaches caches;
    Table table;
};

// The floor: as many entries as the region has leaves, stored one after the other.
void stream(std::span<std::byte> memory, std::uint64_t entries) {
    auto* const words = reinterpret_cast<std::uint64_t*>(memory.data());
    for (std::uint64_t i = 0; i < entries; ++i)
        words[i] = VtdSecondStage::make_leaf({i << 12}, read_write, 0);
    asm volatile("" : : "r"(words) : "memory");
}

void region(const char* name, std::uint64_t leaf_sizes, unsigned leaf_log2, int rounds) {
    Bench bench(leaf_sizes);
    const std::span<std::byte> floor_memory = memory_of(arena_bytes);
    const IovaRange range = *IovaRange::from_length(Iova{0}, region_bytes);
    const paging::Map map{range, PhysAddr{0}, read_write};
    const std::uint64_t entries = region_bytes >> leaf_log2;
    Times prepare, fill, prepare_removal, removal, floor;
    for (int round = 0; round < rounds; ++round) {
        paging::Plan plan, removing;
        floor.measure([&] { stream(floor_memory, entries); });
        prepare.measure([&] { plan = bench.prepare(map); });
        fill.measure([&] { bench.commit(plan); });
        prepare_removal.measure([&] { removing = bench.prepare(paging::Unmap{range}); });
        removal.measure([&] { bench.commit(removing); });
    }
    munmap(floor_memory.data(), floor_memory.size());
    const double whole = prepare.median() + fill.median();
    fmt::print("{}: floor {:.2f} ms; map {:.2f} ms (prepare {:.3f}), ratio {:.2f}; unmap {:.2f} ms (prepare {:.3f})\n",
               name, floor.median(), whole, prepare.median(), whole / floor.median(),
               prepare_removal.median() + removal.median(), prepare_removal.median());
}

// A page in a table of its own: every round links and unlinks three tables.
void one_page(const char* name, bool neighbour, int rounds) {
    constexpr int pages = 10000;
    Bench bench(up_to_2m);
    const IovaRange page = *IovaRange::from_length(Iova{0x1234'5000}, 0x1000);
    if (neighbour) {
        const IovaRange next = *IovaRange::from_length(page.last + 1, 0x1000);
        paging::Plan plan = bench.prepare(paging::Map{next, PhysAddr{0x8000}, read_write});
        bench.commit(plan);
    }
    Times both;
    for (int round = 0; round < rounds; ++round) {
        both.measure([&] {
            for (int i = 0; i < pages; ++i) {
                paging::Plan plan = bench.prepare(paging::Map{page, PhysAddr{0x7000}, read_write});
                bench.commit(plan);
                paging::Plan removing = bench.prepare(paging::Unmap{page});
                bench.commit(removing);
            }
        });
    }
    fmt::print("{}: map and unmap {:.0f} ns\n", name, both.median() * 1e6 / pages);
}

}  // namespace

int main(int argc, char** argv) {
    const int rounds = argc > 1 ? std::max(1, std::atoi(argv[1])) : 9;
    region("64 GiB of 4 KiB leaves", only_4k, 12, rounds);
    region("64 GiB of 2 MiB leaves", up_to_2m, 21, rounds);
    one_page("one page, new tables", false, rounds);
    one_page("one page, beside another", true, rounds);
}
