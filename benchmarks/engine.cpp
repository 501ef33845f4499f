// SPDX-License-Identifier: Apache-2.0
// What map, unmap and translate cost in page tables, format by format: engines of the same format take turns, and so does the
// floor, storing as many entries in a row past the processor's caches. Times are medians of blocks.
//
//   engine [rounds [LIBRARY.so ...]]   libraries with the function table of engine/bench_engine.h, beside our own
//
// rooms: memory
#include <dlfcn.h>
#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <functional>
#include <map>
#include <random>
#include <span>
#include <vector>

#include "benchmarks/engine/bench_engine.h"
#include "benchmarks/stage.hpp"
#include "memory/coherency.hpp"
#include "memory/rows.hpp"

namespace {

using namespace bench;

constexpr std::uint64_t k4 = 1 << 12, m2 = 1 << 21, g1 = 1 << 30, region = 64 * g1;
// Device addresses begin where a table of each level does. Memory that lies a page off them has no larger leaves.
constexpr std::uint64_t here = 256 * g1, memory_at = 512 * g1, odd_memory_at = memory_at + k4;

std::vector<const ptb_engine*> engines_of(const std::string& library) {
    void* const handle = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) give_up(dlerror());
    const auto get = reinterpret_cast<decltype(&ptb_engine_get)>(dlsym(handle, "ptb_engine_get"));
    if (get == nullptr) give_up(library + " has no ptb_engine_get");
    std::vector<const ptb_engine*> engines;
    for (int i = 0; get(i) != nullptr; ++i)
        if (get(i)->abi == PTB_ABI) engines.push_back(get(i));
    return engines;
}

void must(bool fine, const ptb_engine& engine, const char* what) {
    if (!fine) give_up(fmt::format("{}: {} failed", engine.name, what));
}

// One engine with a table of its own, and its times by case.
struct Runner {
    explicit Runner(const ptb_engine& its) : engine(its), table(its.create()) { must(table != nullptr, its, "create"); }
    Runner(const Runner&) = delete;
    Runner& operator=(const Runner&) = delete;
    ~Runner() { engine.destroy(table); }

    void map(std::uint64_t iova, std::uint64_t physical, std::uint64_t length) {
        must(engine.map(table, iova, physical, length) == 0, engine, "map");
    }
    void unmap(std::uint64_t iova, std::uint64_t length) {
        must(engine.unmap(table, iova, length) == length, engine, "unmap");
    }

    const ptb_engine& engine;
    void* table;
    std::map<std::string, std::vector<double>> times;  // nanoseconds, for one
};

template <class Work>
double nanoseconds(Work work) {
    const auto start = Clock::now();
    work();
    return std::chrono::duration<double, std::nano>(Clock::now() - start).count();
}

// A case for all engines of one format: each takes its turn in every round.
class Case {
public:
    Case(std::vector<std::unique_ptr<Runner>>& runners, int rounds) : runners_(runners), rounds_(rounds) {}

    // `work(runner, note)` calls note(name, nanoseconds for one).
    template <class Work>
    void run(Work work) {
        for (int round = 0; round < rounds_; ++round)
            for (auto& runner : runners_)
                work(*runner, [&](const std::string& name, double time) { runner->times[name].push_back(time); });
    }

private:
    std::vector<std::unique_ptr<Runner>>& runners_;
    int rounds_;
};

// Requests of one size, a block of them because a clock is dearer than one. Where their tables are to be there already, a page
// that is the last of its leaf table keeps each.
struct Small {
    const char* name;
    std::uint64_t length, stride, count;
    std::uint64_t memory;
    std::uint64_t page, reach;  // of a leaf, and of its table; no page: tables come and go
};

void small_requests(Case& all, const Small& small) {
    const auto& [name, length, stride, count, memory, page, reach] = small;
    constexpr int blocks = 20;
    all.run([&](Runner& runner, auto note) {
        const std::uint64_t end = here + count * stride;
        for (std::uint64_t at = here; page != 0 && at < end; at += reach) runner.map(at + reach - page, memory, page);
        double mapping = 0, unmapping = 0;
        for (int i = 0; i < blocks; ++i) {
            mapping += nanoseconds([&] {
                for (std::uint64_t at = here; at < end; at += stride) runner.map(at, at - here + memory, length);
            });
            unmapping += nanoseconds([&] {
                for (std::uint64_t at = here; at < end; at += stride) runner.unmap(at, length);
            });
        }
        for (std::uint64_t at = here; page != 0 && at < end; at += reach) runner.unmap(at + reach - page, page);
        note(fmt::format("{}: map", name), mapping / blocks / double(count));
        note(fmt::format("{}: unmap", name), unmapping / blocks / double(count));
    });
}

// The same place again and again: with nothing beside it, tables come and go.
void lone_page(Case& all) {
    all.run([&](Runner& runner, auto note) {
        constexpr int calls = 2000;
        const double time = nanoseconds([&] {
            for (int i = 0; i < calls; ++i) {
                runner.map(here, odd_memory_at, k4);
                runner.unmap(here, k4);
            }
        });
        note("a page alone, tables come and go: both", time / calls);
    });
}

void whole_region(Case& all, const char* name, std::uint64_t memory) {
    all.run([&](Runner& runner, auto note) {
        note(fmt::format("{}: map", name), nanoseconds([&] { runner.map(here, memory, region); }));
        note(fmt::format("{}: unmap", name), nanoseconds([&] { runner.unmap(here, region); }));
    });
}

// Into table memory that no table was in yet.
void cold_region(Case& all) {
    all.run([&](Runner& runner, auto note) {
        Runner cold(runner.engine);
        note("64 GiB in pages of 4 KiB, cold: map", nanoseconds([&] { cold.map(here, odd_memory_at, region); }));
        cold.unmap(here, region);
    });
}

void scattered(Case& all) {
    std::vector<std::uint64_t> pages(512);
    std::mt19937_64 random(1);
    for (std::uint64_t& page : pages) page = memory_at + (random() % (region / k4)) * k4;
    all.run([&](Runner& runner, auto note) {
        constexpr int calls = 200;
        runner.map(here + m2, odd_memory_at, k4);  // keeps the upper tables
        double mapping = 0;
        for (int i = 0; i < calls; ++i) {
            mapping += nanoseconds([&] {
                if (runner.engine.map_list != nullptr) {
                    must(runner.engine.map_list(runner.table, here, pages.data(), pages.size()) == 0, runner.engine, "map_list");
                } else {
                    for (std::size_t page = 0; page < pages.size(); ++page) runner.map(here + page * k4, pages[page], k4);
                }
            });
            runner.unmap(here, m2);
        }
        runner.unmap(here + m2, k4);
        note("512 scattered pages in one request: map, each", mapping / calls / double(pages.size()));
    });
}

void translations(Case& all) {
    all.run([&](Runner& runner, auto note) {
        constexpr std::uint64_t lookups = 200'000;
        runner.map(here, odd_memory_at, region);
        const auto measure = [&](const char* name, auto next) {
            std::uint64_t sum = 0;
            const double time = nanoseconds([&] {
                for (std::uint64_t i = 0; i < lookups; ++i) sum += runner.engine.walk(runner.table, next(i));
            });
            must(sum != 0, runner.engine, "walk");
            note(name, time / double(lookups));
        };
        std::uint64_t state = 1;
        const auto scramble = [&] { return state = state * 6364136223846793005u + 1442695040888963407u; };
        measure("translate, sequential in 1 GiB", [](std::uint64_t i) { return here + i % (g1 / k4) * k4; });
        measure("translate, random in 1 GiB", [&](std::uint64_t) { return here + (scramble() >> 33) % g1; });
        measure("translate, random in 64 GiB", [&](std::uint64_t) { return here + (scramble() >> 20) % region; });
        runner.unmap(here, region);
    });
}

// Bytes of tables, which need no rounds.
void print_memory(std::vector<std::unique_ptr<Runner>>& runners) {
    for (auto& runner : runners) {
        const std::uint64_t root = runner->engine.table_bytes(runner->table);
        runner->map(here, odd_memory_at, region);
        const std::uint64_t small = runner->engine.table_bytes(runner->table);
        for (std::uint64_t page = 0; page < region; page += k4) runner->unmap(here + page, k4);
        const std::uint64_t left = runner->engine.table_bytes(runner->table);
        runner->map(here, memory_at + m2, region);
        const std::uint64_t large = runner->engine.table_bytes(runner->table);
        runner->unmap(here, region);
        fmt::print("  {:28} bytes of tables per GiB: {:.0f} in 4 KiB, {:.0f} in 2 MiB pages; root {}, after unmapping page by page {}\n",
                   runner->engine.name, double(small - root) / 64, double(large - root) / 64, root, left);
    }
}

// As many entries as 64 GiB have pages, past the caches, into memory that was touched before.
class Floor {
public:
    Floor() {
        void* const start = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (start == MAP_FAILED) give_up("no memory for the floor");
        (void)madvise(start, bytes, MADV_HUGEPAGE);
        words_ = static_cast<std::uint64_t*>(start);
        std::fill_n(words_, bytes / sizeof *words_, 1);
    }
    Floor(const Floor&) = delete;
    Floor& operator=(const Floor&) = delete;
    ~Floor() { munmap(words_, bytes); }

    double fill(std::uint64_t entries) {
        const auto way = smmu::memory::can_stream() ? smmu::memory::rows::Way::streamed : smmu::memory::rows::Way::cached;
        return nanoseconds([&] {
            smmu::memory::rows::fill(words_, entries, odd_memory_at | 3, k4, way);
            smmu::memory::fence_cleaned();
        });
    }

private:
    static constexpr std::uint64_t bytes = region / k4 * sizeof(std::uint64_t);
    std::uint64_t* words_;
};

void run_format(const std::vector<const ptb_engine*>& engines, int rounds) {
    std::vector<std::unique_ptr<Runner>> runners;
    for (const ptb_engine* engine : engines) runners.push_back(std::make_unique<Runner>(*engine));
    Case all(runners, rounds);
    small_requests(all, {"a page, tables present", k4, k4, 256, odd_memory_at, k4, m2});
    lone_page(all);
    small_requests(all, {"256 pages of 4 KiB, tables present", 256 * k4, m2, 64, odd_memory_at, k4, m2});
    small_requests(all, {"256 pages of 4 KiB, tables come and go", 256 * k4, m2, 64, odd_memory_at, 0, m2});
    small_requests(all, {"a page of 2 MiB, tables present", m2, m2, 64, memory_at, m2, g1});
    small_requests(all, {"a page of 1 GiB, tables present", g1, g1, 64, memory_at, g1, 512 * g1});
    Floor floor;
    std::vector<double> floors;
    all.run([&](Runner&, auto) { floors.push_back(floor.fill(region / k4)); });
    whole_region(all, "64 GiB in pages of 4 KiB", odd_memory_at);
    whole_region(all, "64 GiB in pages of 2 MiB", memory_at + m2);
    cold_region(all);
    scattered(all);
    translations(all);
    fmt::print("{:44}", runners.front()->engine.fmt);
    for (const auto& runner : runners) fmt::print(" {:>28}", runner->engine.name);
    fmt::print("\n");
    for (const auto& [name, unused] : runners.front()->times) {
        fmt::print("  {:42}", name);
        const double first = median(runners.front()->times[name]);
        for (auto& runner : runners) {
            const double time = median(runner->times[name]);
            fmt::print(" {:>19.1f} ns {:>5.2f}", time, time / first);
        }
        fmt::print("\n");
    }
    const double fill = median(floors);
    fmt::print("  {:42} {:>19.1f} ns\n", "floor: the entries of 64 GiB in a row", fill);
    for (auto& runner : runners)
        fmt::print("  {:28} 64 GiB mapped in {:.2f} of the floor\n", runner->engine.name,
                   median(runner->times["64 GiB in pages of 4 KiB: map"]) / fill);
    print_memory(runners);
}

}  // namespace

int main(int count, char** words) {
    const int rounds = count > 1 ? std::max(1, std::atoi(words[1])) : 9;
    pin(0, 0);
    const auto here_is = std::filesystem::read_symlink("/proc/self/exe").parent_path();
    std::vector<std::string> libraries(words + std::min(count, 2), words + count);
    libraries.push_back((here_is / "libsmmu-engine-bench.so").string());
    std::map<std::pair<std::string, int>, std::vector<const ptb_engine*>> formats;
    for (const std::string& library : libraries)
        for (const ptb_engine* engine : engines_of(library)) formats[{engine->fmt, engine->incoherent}].push_back(engine);
    for (const auto& [format, engines] : formats) run_format(engines, rounds);
    fmt::print("load {}\n", load());
}
