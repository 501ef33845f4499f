// SPDX-License-Identifier: Apache-2.0
// A seeded random client under the referee's eyes: grants, removals, attachments, moves and
// destroyed objects, judged at every register write and at every answer; DMA is compared with the
// grants now and then.
#include <gtest/gtest.h>

#include <map>
#include <random>

#include "tests/e2e/judges/bench.hpp"

namespace smmu::test {
namespace {

constexpr std::uint64_t page = 0x1000;
constexpr std::uint64_t pages = 1536;  // 6 MiB: three large leaves
constexpr unsigned both_ways = SMF_READ | SMF_WRITE;

unsigned seed() {
    const char* const given = std::getenv("SMMU_TEST_SEED");
    return given != nullptr ? static_cast<unsigned>(std::strtoul(given, nullptr, 0)) : 20261u;
}

class RandomClient : public testing::TestWithParam<const char*> {
protected:
    struct Object {
        smmu_object* handle = nullptr;
        std::map<std::uint64_t, unsigned> pages;  // page number, permissions
    };

    std::uint64_t below(std::uint64_t bound) {
        return std::uniform_int_distribution<std::uint64_t>(0, bound - 1)(random);
    }

    void grant_or_remove(Object& object) {
        const bool is_large = below(3) == 0;
        std::uint64_t first = below(pages);
        std::uint64_t count = 1 + below(is_large ? 700 : 6);
        if (is_large && below(2) == 0) first &= ~std::uint64_t{511}, count = 512;
        count = std::min(count, pages - first);
        constexpr unsigned choices[] = {SMF_NONE,  SMF_NONE,  SMF_READ,
                                        SMF_WRITE, both_ways, both_ways};
        const unsigned flags = choices[below(std::size(choices))];
        ASSERT_EQ(bench.map(object.handle, place::granted + first * page, count * page, flags), 0)
            << smmu_strerror_last();
        for (std::uint64_t i = first; i < first + count; ++i) {
            if (flags == SMF_NONE)
                object.pages.erase(i);
            else
                object.pages[i] = flags;
        }
    }
    void step() {
        Object& object = objects[below(objects.size())];
        const auto choice = below(10);
        if (choice < 7) {
            grant_or_remove(object);
        } else if (choice < 9) {
            const bool detaches = below(4) == 0;
            if (detaches && attached == nullptr) return;
            ASSERT_EQ(bench.attach(detaches ? nullptr : object.handle, 4), 0)
                << smmu_strerror_last();
            attached = detaches ? nullptr : &object;
        } else {
            ASSERT_EQ(
                bench.call("destroy", [&] { return smmu_obj_destroy_checked(object.handle); }), 0);
            if (attached == &object) attached = nullptr;
            object = {smmu_obj_create(SOCF_NONE), {}};
            ASSERT_NE(object.handle, nullptr);
        }
    }
    // A few pages, also around the edges of what is granted, must be what the grants say.
    void compare() {
        for (const std::size_t index : samples) {
            const std::uint64_t number = below(pages);
            unsigned permissions = 0;
            if (attached != nullptr)
                if (const auto found = attached->pages.find(number); found != attached->pages.end())
                    permissions = found->second;
            // What these tables cannot say, and the service reports: a write grant also reads.
            if (has_first_stage_only(GetParam()) && (permissions & SMF_WRITE) != 0)
                permissions |= SMF_READ;
            bench.between_stops([&] {
                Watch& watch = bench.probe().at(index);
                watch.iova = {place::granted + number * page};
                watch.phys = {watch.iova.value};
                const auto expected = [&](unsigned flag) {
                    return (permissions & flag) != 0 ? Expect::passes : Expect::refused;
                };
                bench.probe().expect(index, expected(SMF_READ), expected(SMF_WRITE));
            });
        }
        bench.fire("compared with the grants");
        for (const std::size_t index : samples) bench.expect(index, Expect::either);
    }

    Bench bench{GetParam()};
    std::mt19937 random{seed()};
    std::array<Object, 3> objects;
    Object* attached = nullptr;
    std::array<std::size_t, 4> samples{};
};

TEST_P(RandomClient, IsServedByTheBook) {
    printf("SMMU_TEST_SEED=%u\n", seed());
    bench.begin();
    ASSERT_TRUE(bench.start()) << bench.verdict();
    ASSERT_TRUE(bench.connect_client());
    bench.set_probing(false);
    for (Object& object : objects) object.handle = smmu_obj_create(SOCF_NONE);
    for (std::size_t& sample : samples)
        sample = bench.watch(q35::edu_b, place::granted, Expect::either);
    const unsigned steps = std::getenv("LONG") != nullptr ? 3000 : 300;
    for (unsigned i = 0; i < steps && !HasFatalFailure(); ++i) {
        step();
        if (i % 10 == 0) compare();
        if (!bench.referee().findings().empty()) break;
    }
    printf("%zu writes, %zu invalidations\n", bench.referee().writes(),
           bench.referee().invalidations());
    EXPECT_GT(bench.referee().invalidations(), 50u);
    EXPECT_EQ(bench.verdict(), "");
}

INSTANTIATE_TEST_SUITE_P(Boards, RandomClient, vtd_boards(), name_of_board);

}  // namespace
}  // namespace smmu::test
