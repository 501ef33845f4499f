// SPDX-License-Identifier: Apache-2.0
// Small scope, all of it: every sequence of requests up to a bound on a toy format, against an array with one cell per
// page, a device that caches all it sees and forgets only what it is told, and the engine's own shape check.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "paging/page_table_engine.hpp"
#include "tests/property/toy/toy_format.hpp"
#include "tests/unit/memory/owned_table_memory.hpp"
#include "units/paged_space.hpp"

namespace smmu::paging::test {
namespace {

struct Cell {
    std::uint64_t frame = 0;
    Access access = Access::none;  // none: not mapped
    friend bool operator==(const Cell&, const Cell&) = default;
};

constexpr std::size_t most_pages = 64;
using Cells = std::array<Cell, most_pages>;

// The device: it has touched every page before each request.
class Device final : public units::SpaceCaches {
public:
    Device(const memory::OwnedTableMemory& memory, Geometry geometry) : memory_(memory.get()), geometry_(geometry) {}

    void touch_all(std::uint64_t root) {
        cells_ = {};
        links_.clear();
        cut_depth_ = 0;
        walk(root, geometry_.levels - 1, 0);
    }
    // What is cached and not what `now` says; and links likewise.
    std::string stale(std::uint64_t root, const Cells& now) {
        const Cells cached = cells_;
        const auto links = links_;
        touch_all(root);
        for (std::size_t page = 0; page < cached.size(); ++page) {
            if (!(cells_[page] == now[page])) return "page " + std::to_string(page) + " is not what was asked for";
            if (cached[page].access != Access::none && !(cached[page] == now[page]))
                return "page " + std::to_string(page) + " outlives its entry in a cache";
        }
        for (const Link& link : links)
            if (std::find(links_.begin(), links_.end(), link) == links_.end()) return "a link outlives its table in a cache";
        return problem_;
    }
    std::uint64_t tables() const { return links_.size() + 1; }
    // How many tables deep the largest leaf that is there could be cut.
    unsigned cut_depth() const { return cut_depth_; }

    Result<void> appeared(std::span<const Map>) override { return {}; }
    void failed() noexcept override { problem_ = "failed"; }

private:
    struct Link {
        unsigned level;
        std::uint64_t first_page, table;
        friend bool operator==(const Link&, const Link&) = default;
    };

    static std::uint64_t pages_of(unsigned level) { return std::uint64_t{1} << (2 * level); }

    void walk(std::uint64_t table, unsigned level, std::uint64_t first_page) {
        const std::uint64_t slots = level + 1 == geometry_.levels
                                        ? std::uint64_t{1} << (geometry_.input_bits - 12 - 2 * level)
                                        : 4;
        static constexpr std::array<std::byte, 4096> zeros{};
        const std::byte* const entries = memory_.bytes.data() + (table - memory_.range.first.value);
        if (std::memcmp(entries + slots * 4, zeros.data(), zeros.size() - slots * 4) != 0)
            problem_ = "rubbish behind the last entry of a linked table";
        bool live = false;
        for (std::uint64_t i = 0; i < slots; ++i) {
            std::uint32_t entry = 0;
            std::memcpy(&entry, entries + i * 4, 4);
            if (entry == 0) continue;
            live = true;
            const std::uint64_t page = first_page + i * pages_of(level);
            const std::uint64_t frame = entry >> 2 & 0xFFF'FFFF;
            if ((entry >> 31) == 0) {
                problem_ = "rubbish in a linked table";
            } else if ((entry >> 30 & 1) != 0) {
                if ((geometry_.leaf_sizes >> (12 + 2 * level) & 1) == 0) problem_ = "a leaf of a size not allowed";
                const unsigned lowest = (static_cast<unsigned>(std::countr_zero(geometry_.leaf_sizes)) - 12) / 2;
                cut_depth_ = std::max(cut_depth_, level - lowest);
                if (frame % pages_of(level) != 0) problem_ = "a leaf whose memory is not aligned to it";
                for (std::uint64_t p = 0; p < pages_of(level); ++p)
                    cells_[page + p] = {frame + p, static_cast<Access>(entry & 3)};
            } else {
                links_.push_back({level - 1, page, frame << 12});
                walk(frame << 12, level - 1, page);
            }
        }
        if (!live && level + 1 != geometry_.levels) problem_ = "an empty table is linked";
    }

    Result<void> invalidate(const memory::Gather& gathered) override {
        if (gathered.everything()) {
            cells_ = {};
            links_.clear();
        }
        for (const IovaRange& range : gathered.ranges()) {
            for (std::uint64_t page = range.first.value >> 12; page <= range.last.value >> 12; ++page) cells_[page] = {};
            if (gathered.leaf_only()) continue;
            std::erase_if(links_, [&](const Link& link) {
                const IovaRange span{Iova{link.first_page << 12},
                                     Iova{((link.first_page + pages_of(link.level + 1)) << 12) - 1}};
                return span.overlaps(range);
            });
        }
        return {};
    }

    memory::TableMemory memory_;
    Geometry geometry_;
    Cells cells_{};
    std::vector<Link> links_;
    unsigned cut_depth_ = 0;
    std::string problem_;
};

struct Operation {
    enum class Kind { unmap, map_aligned, map_odd, remap } kind;
    std::uint64_t first, last;  // pages
};

struct Scope {
    const char* name;
    unsigned levels, input_bits;
    std::uint64_t leaf_sizes;
    std::vector<std::uint64_t> bounds;  // ranges begin and end at these pages
    std::vector<Operation::Kind> kinds;
    int depth;
};

class Player {
public:
    explicit Player(const Scope& scope)
        : geometry_{scope.levels, scope.input_bits, scope.leaf_sizes, memory::Coherency::snooped} {
        granule_ = (scope.leaf_sizes & (1 << 12)) != 0 ? 1 : 4;
        for (const auto kind : scope.kinds)
            for (std::size_t i = 0; i < scope.bounds.size(); ++i)
                for (std::size_t j = i + 1; j < scope.bounds.size(); ++j)
                    operations_.push_back({kind, scope.bounds[i], scope.bounds[j] - 1});
    }

    void play_all(int depth) {
        std::vector<std::size_t> sequence(static_cast<std::size_t>(depth), 0);
        for (;;) {
            // Unmapping first does nothing to an empty space.
            if (operations_[sequence[0]].kind != Operation::Kind::unmap) play(sequence);
            if (testing::Test::HasFatalFailure()) return;
            std::size_t digit = 0;
            while (digit < sequence.size() && ++sequence[digit] == operations_.size()) sequence[digit++] = 0;
            if (digit == sequence.size()) break;
        }
    }
    std::uint64_t played() const { return played_; }

private:
    Map map_of(const Operation& operation) const {
        const bool odd = operation.kind == Operation::Kind::map_odd;
        const Access access = operation.kind == Operation::Kind::remap ? Access::read : read_write;
        return {pages(operation), PhysAddr{(operation.first + (odd ? 0x101 * granule_ : 0x200)) << 12}, access};
    }
    static IovaRange pages(const Operation& operation) {
        return {Iova{operation.first << 12}, Iova{((operation.last + 1) << 12) - 1}};
    }

    void play(const std::vector<std::size_t>& sequence) {
        auto owned = std::make_unique<Device>(memory_, geometry_);
        Device& device = *owned;
        units::PagedSpace<ToyFormat> space(*PageTable<ToyFormat>::create(geometry_, *arena_, account_), *arena_,
                                           std::move(owned));
        const std::uint64_t root = space.table().root().value;
        Cells cells{};
        reserve_ = 0;
        for (const std::size_t index : sequence) {
            step(space, device, root, cells, operations_[index]);
            if (testing::Test::HasFatalFailure()) break;
        }
        ASSERT_TRUE(space.release().has_value());
        ASSERT_EQ(arena_->count().free, arena_->count().total) << describe(sequence);
        ASSERT_EQ(account_.held, 0u);
        ++played_;
        if (testing::Test::HasFatalFailure()) std::printf("sequence: %s\n", describe(sequence).c_str());
    }

    void step(units::PagedSpace<ToyFormat>& space, Device& device, std::uint64_t root, Cells& cells,
              const Operation& operation) {
        std::vector<Change> changes;
        const bool removes = operation.kind == Operation::Kind::unmap || operation.kind == Operation::Kind::remap;
        if (removes) changes.push_back(Unmap{pages(operation)});
        if (operation.kind != Operation::Kind::unmap) changes.push_back(map_of(operation));
        bool overlap = false;
        for (std::uint64_t page = operation.first; page <= operation.last; ++page)
            overlap = overlap || (!removes && cells[page].access != Access::none);
        device.touch_all(root);
        const bool in_place = changes.size() == 1 && played_ % 2 == 0 && carried_out_in_place(space, changes.front());
        auto plan = in_place ? Result<Plan>() : space.prepare(changes);
        ASSERT_EQ(plan.has_value(), !overlap);
        if (!plan) {
            ASSERT_EQ(plan.error().code, EINVAL);
        } else {
            for (std::uint64_t page = operation.first; page <= operation.last; ++page)
                cells[page] = operation.kind == Operation::Kind::unmap
                                  ? Cell{}
                                  : Cell{(map_of(operation).physical.value >> 12) + page - operation.first,
                                         map_of(operation).access};
            while (!in_place) {
                Budget one{1 + played_ % 3};
                const auto progress = space.commit(*plan, one);
                ASSERT_TRUE(progress.has_value());
                ASSERT_EQ(space.table().check_shape(), "");
                if (*progress == Progress::done) break;
            }
        }
        ASSERT_EQ(device.stale(root, cells), "");
        ASSERT_EQ(space.table().check_shape(), "");
        // From the first leaf that can be cut until nothing is mapped.
        reserve_ = std::max<std::uint64_t>(reserve_, 2 * device.cut_depth());
        if (cells == Cells{}) reserve_ = 0;
        ASSERT_EQ(space.table_frames(), device.tables() + reserve_);
    }

    static bool carried_out_in_place(units::PagedSpace<ToyFormat>& space, const Change& change) {
        const Map* const map = std::get_if<Map>(&change);
        const auto done = map != nullptr ? space.map_in_place(*map) : space.unmap_in_place(std::get<Unmap>(change).range);
        EXPECT_TRUE(done.has_value());
        return done && *done;
    }

    std::string describe(const std::vector<std::size_t>& sequence) const {
        std::string text;
        for (const std::size_t index : sequence) {
            constexpr const char* names[] = {"unmap", "map", "map odd", "remap"};
            const Operation& operation = operations_[index];
            text += std::string(names[static_cast<int>(operation.kind)]) + " " + std::to_string(operation.first) + "-" +
                    std::to_string(operation.last) + "; ";
        }
        return text;
    }

    Geometry geometry_;
    std::uint64_t granule_;
    memory::OwnedTableMemory memory_{128, {0x10'0000}};
    std::unique_ptr<memory::Arena> arena_ = *memory::Arena::open(memory_.get(), {});
    memory::Account account_;
    std::vector<Operation> operations_;
    std::uint64_t reserve_ = 0;  // frames held besides tables
    std::uint64_t played_ = 0;
};

constexpr std::uint64_t leaf4k = 1 << 12, leaf16k = 1 << 14, leaf64k = 1 << 16;
using Kind = Operation::Kind;

class ToyScope : public testing::TestWithParam<Scope> {};

TEST_P(ToyScope, EverySequence) {
    Player player(GetParam());
    player.play_all(GetParam().depth + (std::getenv("LONG") != nullptr ? 1 : 0));
    std::printf("%llu sequences\n", static_cast<unsigned long long>(player.played()));
}

std::vector<std::uint64_t> every_page(std::uint64_t count) {
    std::vector<std::uint64_t> bounds;
    for (std::uint64_t page = 0; page <= count; ++page) bounds.push_back(page);
    return bounds;
}

INSTANTIATE_TEST_SUITE_P(
    Scopes, ToyScope,
    testing::Values(
        Scope{"ThreeLevelsAllLeaves", 3, 18, leaf4k | leaf16k | leaf64k, {0, 1, 4, 7, 64},
              {Kind::unmap, Kind::map_aligned, Kind::remap}, 3},
        Scope{"ThreeLevelsOddTargets", 3, 18, leaf4k | leaf16k | leaf64k, {0, 3, 16, 64},
              {Kind::unmap, Kind::map_aligned, Kind::map_odd, Kind::remap}, 3},
        Scope{"ThreeLevelsWithoutMiddleLeaves", 3, 18, leaf4k | leaf64k, {0, 4, 15, 64},
              {Kind::unmap, Kind::map_aligned, Kind::remap}, 3},
        Scope{"ThreeLevelsSmallLeavesOnly", 3, 18, leaf4k, {0, 1, 8, 16, 63, 64},
              {Kind::unmap, Kind::map_aligned, Kind::remap}, 2},
        Scope{"ThreeLevelsLargeGranule", 3, 18, leaf16k | leaf64k, {0, 4, 20, 64},
              {Kind::unmap, Kind::map_aligned, Kind::map_odd, Kind::remap}, 3},
        // What a page costs least depends on the requests before it: long sequences of two pages of one table.
        Scope{"TwoLevelsTheSamePagesAgain", 2, 16, leaf4k, {0, 1, 2}, {Kind::unmap, Kind::map_aligned}, 6},
        Scope{"TwoLevelsEveryRange", 2, 16, leaf4k | leaf16k, every_page(16), {Kind::map_aligned, Kind::unmap}, 2},
        Scope{"TwoLevelsJoinedRoot", 2, 17, leaf4k | leaf16k, {0, 1, 4, 16, 31, 32},
              {Kind::unmap, Kind::map_aligned, Kind::remap}, 2}),
    [](const auto& scope) { return std::string(scope.param.name); });

}  // namespace
}  // namespace smmu::paging::test

namespace smmu::paging {
template class PageTable<test::ToyFormat>;
}
