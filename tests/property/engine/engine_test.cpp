// SPDX-License-Identifier: Apache-2.0
// The engine under random requests, geometries of VT-d's and of Arm's stages, ample and scarce memory, two spaces side by
// side; every request is checked from all sides by CheckedSpace.
#include <gtest/gtest.h>

#include <bit>
#include <cstdlib>

#include "paging/arm_stage1.hpp"
#include "paging/arm_stage2.hpp"
#include "paging/vtd_first_stage.hpp"
#include "paging/vtd_second_stage.hpp"
#include "tests/property/engine/checked_space.hpp"
#include "tests/property/engine/request_source.hpp"
#include "tests/unit/memory/owned_table_memory.hpp"

namespace smmu::paging::test {
namespace {

constexpr std::uint64_t page = 1 << 12, large = 1 << 21, huge = 1 << 30;
constexpr std::uint64_t page_16k = 1 << 14, block_16k = 1 << 25, page_64k = 1 << 16, block_64k = 1 << 29;
constexpr std::uint64_t unlimited = ~std::uint64_t{0};

struct Scene {
    const char* name;
    unsigned levels, input_bits;
    std::uint64_t leaf_sizes;
    std::uint64_t frames;  // of the arena
    std::uint64_t quota;   // of each account
    bool scarce = false;   // somebody else takes and returns frames at random
    memory::Coherency coherency = memory::Coherency::snooped;
    enum class Tables { vtd_second_stage, vtd_first_stage, arm_stage2, arm_stage1, arm_stage1_non_secure };
    Tables tables = Tables::vtd_second_stage;

    // Of a table below the root, which is a page long.
    std::uint64_t table_frames() const { return (std::uint64_t{1} << std::countr_zero(leaf_sizes)) / memory::frame_bytes; }
    bool write_alone() const { return tables == Tables::vtd_second_stage || tables == Tables::arm_stage2; }
};
using Tables = Scene::Tables;

std::unique_ptr<CheckedSpaceBase> make_space(const Scene& scene, memory::Arena& arena, memory::TableMemory memory,
                                             memory::Account& account, std::uint64_t seed) {
    const Geometry geometry{scene.levels, scene.input_bits, scene.leaf_sizes, scene.coherency};
    const auto make = [&]<Format F>(auto layout) -> std::unique_ptr<CheckedSpaceBase> {
        return std::make_unique<CheckedSpace<F>>(arena, memory, account, geometry,
                                                 layout(scene.levels, scene.input_bits, scene.leaf_sizes), seed);
    };
    switch (scene.tables) {
        case Tables::vtd_first_stage: return make.operator()<VtdFirstStage>(vtd_first_stage_layout);
        case Tables::arm_stage2:
            if ((scene.leaf_sizes & page_16k) != 0) return make.operator()<ArmStage2Of16K>(arm_stage2_layout);
            if ((scene.leaf_sizes & page_64k) != 0) return make.operator()<ArmStage2Of64K>(arm_stage2_layout);
            return make.operator()<ArmStage2>(arm_stage2_layout);
        case Tables::arm_stage1:
            if ((scene.leaf_sizes & page_16k) != 0) return make.operator()<ArmStage1Of16K>(arm_stage1_layout);
            if ((scene.leaf_sizes & page_64k) != 0) return make.operator()<ArmStage1Of64K>(arm_stage1_layout);
            return make.operator()<ArmStage1>(arm_stage1_layout);
        case Tables::arm_stage1_non_secure: return make.operator()<ArmStage1NonSecure>(arm_stage1_non_secure_layout);
        case Tables::vtd_second_stage: break;
    }
    return make.operator()<VtdSecondStage>(vtd_second_stage_layout);
}

class EngineProperty : public testing::TestWithParam<Scene> {};

TEST_P(EngineProperty, RandomRequests) {
    const Scene& scene = GetParam();
    const std::uint64_t seed = seed_of_run();
    std::printf("SMMU_TEST_SEED=%llu\n", static_cast<unsigned long long>(seed));
    const int rounds = std::getenv("LONG") != nullptr ? 20'000 : (scene.scarce ? 300 : 110);
    Random random(seed);
    const memory::OwnedTableMemory memory(scene.frames);
    auto arena = *memory::Arena::open(memory.get(), {});
    memory::Account accounts[2];
    std::unique_ptr<CheckedSpaceBase> spaces[2];
    for (int i = 0; i < 2; ++i) {
        accounts[i].limit = scene.quota;
        spaces[i] = make_space(scene, *arena, memory.get(), accounts[i], random());
    }
    RequestSource source(random, scene.input_bits, scene.leaf_sizes, scene.write_alone());
    std::map<int, int> outcomes;
    memory::Account others;
    std::vector<memory::Frame> taken;
    const auto give_back = [&] {
        for (memory::Frame& frame : taken) arena->discard(std::move(frame));
        taken.clear();
    };
    for (int round = 0; round < rounds; ++round) {
        // Long enough without a frame that the reserves run out too.
        if (scene.scarce && random() % 16 == 0) {
            give_back();
            const std::uint64_t free = arena->available(others);
            const std::uint64_t left = random() % 2 == 0 ? 0 : random() % 16 * scene.table_frames();
            taken = *arena->take_many(others, free - std::min(free, left));
        }
        auto& space = *spaces[random() % 2];
        const auto changes = source.next(space.oracle());
        ++outcomes[space.request(changes, source.options())];
        // The other space's caches may hold nothing of frames that were just given back.
        for (auto& each : spaces) {
            ASSERT_EQ(each->problem(), "") << "round " << round << ", SMMU_TEST_SEED=" << seed;
            ASSERT_EQ(each->walker().stale(), "") << "round " << round << ", SMMU_TEST_SEED=" << seed;
        }
    }
    give_back();
    std::uint64_t starved = 0, disturbed = 0, flushes = 0, in_place = 0;
    for (auto& space : spaces) {
        space->release();
        EXPECT_EQ(space->problem(), "");
        starved += space->starved;
        disturbed += space->disturbed;
        flushes += space->flushes;
        in_place += space->in_place;
    }
    std::printf("%d done (%llu in place), %d overlapping, %d without memory, %d over quota; %llu flushes, %llu disturbed, %llu starved\n",
                outcomes[0], static_cast<unsigned long long>(in_place), outcomes[EINVAL], outcomes[ENOMEM], outcomes[EDQUOT],
                static_cast<unsigned long long>(flushes), static_cast<unsigned long long>(disturbed),
                static_cast<unsigned long long>(starved));
    EXPECT_GT(outcomes[0], rounds / 4);
    EXPECT_GT(outcomes[EINVAL], 0);
    EXPECT_GT(disturbed, 0u);
    EXPECT_GT(in_place, 0u);
    if (scene.scarce) {
        EXPECT_GT(outcomes[ENOMEM], 0);
    }
    EXPECT_EQ(scene.quota != unlimited, outcomes[EDQUOT] > 0);
    EXPECT_EQ(arena->count().free, arena->count().total) << "a frame was lost";
    EXPECT_EQ(accounts[0].held + accounts[1].held, 0u);
}

INSTANTIATE_TEST_SUITE_P(
    Scenes, EngineProperty,
    testing::Values(
        Scene{"Bits48Leaves4K", 4, 48, page, 400, unlimited},
        Scene{"Bits48Leaves4K2M", 4, 48, page | large, 400, unlimited},
        Scene{"Bits48AllLeaves", 4, 48, page | large | huge, 700, unlimited, false, memory::Coherency::not_snooped},
        Scene{"Bits39AllLeaves", 3, 39, page | large | huge, 700, unlimited},
        Scene{"Bits39Leaves4K2MScarce", 3, 39, page | large, 64, unlimited, true, memory::Coherency::not_snooped},
        Scene{"Bits48AllLeavesScarce", 4, 48, page | large | huge, 64, unlimited, true},
        Scene{"Bits48AllLeavesQuota", 4, 48, page | large | huge, 700, 12},
        Scene{"Bits57AllLeaves", 5, 57, page | large | huge, 700, unlimited},
        Scene{"Bits46AllLeaves", 4, 46, page | large | huge, 700, unlimited},
        Scene{"FirstStage47AllLeaves", 4, 47, page | large | huge, 700, unlimited, false,
              memory::Coherency::not_snooped, Tables::vtd_first_stage},
        Scene{"FirstStage47Scarce", 4, 47, page | large, 64, unlimited, true, memory::Coherency::snooped,
              Tables::vtd_first_stage},
        Scene{"FirstStage56AllLeaves", 5, 56, page | large | huge, 700, unlimited, false,
              memory::Coherency::snooped, Tables::vtd_first_stage},
        // Two and eight root tables side by side, one, and a part of one.
        Scene{"ArmStage2Bits40", 3, 40, page | large | huge, 700, unlimited, false, memory::Coherency::snooped,
              Tables::arm_stage2},
        Scene{"ArmStage2Bits42Scarce", 3, 42, page | large, 64, unlimited, true, memory::Coherency::not_snooped,
              Tables::arm_stage2},
        Scene{"ArmStage2Bits44", 4, 44, page | large | huge, 700, unlimited, false, memory::Coherency::not_snooped,
              Tables::arm_stage2},
        Scene{"ArmStage2Bits36", 3, 36, page | large | huge, 700, unlimited, false, memory::Coherency::snooped,
              Tables::arm_stage2},
        Scene{"ArmStage1Bits47", 4, 47, page | large | huge, 700, unlimited, false, memory::Coherency::snooped,
              Tables::arm_stage1},
        Scene{"ArmStage1Bits47Scarce", 4, 47, page | large, 64, unlimited, true, memory::Coherency::not_snooped,
              Tables::arm_stage1},
        // Tables of several frames: 16 and 2 roots side by side, then 4 and a part of one.
        Scene{"Arm16KStage2Bits40", 2, 40, page_16k | block_16k, 2400, unlimited, false, memory::Coherency::snooped,
              Tables::arm_stage2},
        Scene{"Arm16KStage2Bits48", 3, 48, page_16k | block_16k, 2400, unlimited, false, memory::Coherency::not_snooped,
              Tables::arm_stage2},
        Scene{"Arm16KStage2Bits42Scarce", 3, 42, page_16k, 256, unlimited, true, memory::Coherency::snooped,
              Tables::arm_stage2},
        Scene{"Arm16KStage1Bits48", 4, 48, page_16k | block_16k, 2400, unlimited, false, memory::Coherency::snooped,
              Tables::arm_stage1},
        Scene{"Arm64KStage2Bits44", 2, 44, page_64k | block_64k, 4800, unlimited, false, memory::Coherency::snooped,
              Tables::arm_stage2},
        Scene{"Arm64KStage2Bits48Scarce", 3, 48, page_64k, 1024, unlimited, true, memory::Coherency::not_snooped,
              Tables::arm_stage2},
        Scene{"Arm64KStage2Bits44Quota", 2, 44, page_64k | block_64k, 4800, 112, false, memory::Coherency::snooped,
              Tables::arm_stage2},
        Scene{"Arm64KStage1Bits48", 3, 48, page_64k | block_64k, 4800, unlimited, false, memory::Coherency::snooped,
              Tables::arm_stage1},
        // Four entries in the root.
        Scene{"ArmStage1Bits32NonSecure", 3, 32, page | large | huge, 700, unlimited, false, memory::Coherency::not_snooped,
              Tables::arm_stage1_non_secure}),
    [](const auto& scene) { return std::string(scene.param.name); });

}  // namespace
}  // namespace smmu::paging::test
