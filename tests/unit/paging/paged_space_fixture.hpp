// SPDX-License-Identifier: Apache-2.0
// A space with VT-d's second-stage tables, and caches that write down what they were told and confirm on demand.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "paging/vtd_second_stage.hpp"
#include "tests/unit/memory/owned_table_memory.hpp"
#include "units/paged_space.hpp"

namespace smmu::units::testing {

using memory::Coherency;
using paging::Map;
using paging::Unmap;
using Table = paging::PageTable<paging::VtdSecondStage>;
using Space = PagedSpace<paging::VtdSecondStage>;

constexpr std::uint64_t k4 = 1 << 12, m2 = 1 << 21, g1 = 1 << 30;

struct Log {
    bool confirms = true, sees = true;
    int flushes = 0, failures = 0;
    bool leaf_only = false;
    std::vector<IovaRange> ranges;
    std::vector<Map> appeared;
};

class Caches final : public SpaceCaches {
public:
    explicit Caches(Log& log) : log_(log) {}
    Result<void> appeared(std::span<const Map> additions) override {
        log_.appeared.assign(additions.begin(), additions.end());
        if (log_.sees) return {};
        return fail(EIO, "no answer");
    }
    void failed() noexcept override { ++log_.failures; }

private:
    Result<void> invalidate(const memory::Gather& gathered) override {
        ++log_.flushes;
        log_.leaf_only = gathered.leaf_only();
        log_.ranges.assign(gathered.ranges().begin(), gathered.ranges().end());
        if (log_.confirms) return {};
        return fail(EIO, "no answer");
    }
    Log& log_;
};

class PagedSpaceTest : public ::testing::Test {
protected:
    void SetUp() override { start(4, 48, k4 | m2 | g1); }
    void TearDown() override {
        if (!space) return;
        log.confirms = true;
        EXPECT_TRUE(space->release().has_value());
        space.reset();
        EXPECT_EQ(account.held, 0u);
        EXPECT_EQ(arena->count().used, 0u);
    }

    void start(unsigned levels, unsigned bits, std::uint64_t leaf_sizes) {
        if (space) {
            ASSERT_TRUE(space->release().has_value());
        }
        space = std::make_unique<Space>(*Table::create({levels, bits, leaf_sizes, Coherency::snooped}, *arena, account),
                                        *arena, std::make_unique<Caches>(log));
    }
    static IovaRange range(std::uint64_t first, std::uint64_t length) {
        return *IovaRange::from_length(Iova{first}, length);
    }
    int code_of(std::vector<Change> changes) {
        auto plan = space->prepare(changes);
        if (!plan) return plan.error().code;
        space->abandon(std::move(*plan));
        return 0;
    }
    int request(std::vector<Change> changes) {
        auto plan = space->prepare(changes);
        if (!plan) return plan.error().code;
        Budget all;
        const auto progress = space->commit(*plan, all);
        if (!progress) return progress.error().code;
        EXPECT_EQ(*progress, Progress::done);
        EXPECT_EQ(space->table().check_shape(), "");
        return 0;
    }
    std::vector<unsigned> leaves() {
        std::vector<unsigned> sizes;
        space->table().visit([&](IovaRange, const paging::Translation& t) { sizes.push_back(t.leaf_log2); });
        return sizes;
    }
    std::uint64_t target(std::uint64_t iova) {
        const auto physical = space->translate(Iova{iova});
        return physical ? physical.physical.value : ~std::uint64_t{0};
    }

    const memory::OwnedTableMemory memory{4096};
    std::unique_ptr<memory::Arena> arena = *memory::Arena::open(memory.get(), {});
    memory::Account account;
    Log log;
    std::unique_ptr<Space> space;
};

}  // namespace smmu::units::testing
