// SPDX-License-Identifier: Apache-2.0
// Scalable mode from instance to instance, and which mode a unit that translates already is taken
// over in.
#include "bench.hpp"

namespace bench {
namespace {

using units::Assignment;
using units::Found;

class ScalableSuccession : public testing::TestWithParam<bool> {
protected:
    static silicon::Parameters parameters() {
        silicon::Parameters scalable;
        scalable.scalable = true;
        (GetParam() ? scalable.first_stage : scalable.second_stage) = true;
        return scalable;
    }

    // The nic and the disk have a space each, a remote device is blocked; then the process dies.
    static void first_instance(silicon::Unit& unit) {
        auto earlier = std::make_unique<Instance>(unit);
        ASSERT_TRUE(earlier->open());
        std::vector<std::unique_ptr<units::AddressSpace>> spaces;
        spaces.push_back(earlier->space());
        ASSERT_TRUE(map(*spaces[0], 0x5000, 0x7000'5000, page));
        spaces.push_back(earlier->space());
        ASSERT_TRUE(map(*spaces[1], 0x8000, 0x7000'8000, page));
        const Assignment assignments[] = {{StreamId{nic}, spaces[0].get()},
                                          {StreamId{disk}, spaces[1].get()},
                                          {StreamId{remote}, nullptr}};
        auto taken = earlier->iommu->take_over(assignments);
        ASSERT_TRUE(taken) << taken.error().text;
        EXPECT_TRUE(unit.dma(nic, 0x5000, true).passed);
        EXPECT_TRUE(unit.dma(disk, 0x8000, true).passed);
        Instance::kill(std::move(earlier), std::move(spaces));
        unit.commands.clear();
        unit.writes.clear();
    }

    // The next instance keeps the nic and knows two others. Nothing else passes at any moment.
    static void succeed(silicon::Unit& unit, Found expected) {
        Instance successor(unit);
        ASSERT_TRUE(successor.open());
        auto same = successor.space(), other = successor.space();
        ASSERT_TRUE(map(*same, 0x5000, 0x7000'5000, page));
        ASSERT_TRUE(map(*other, 0x6000, 0x7000'6000, page));
        const Assignment assignments[] = {{StreamId{nic}, same.get()},
                                          {StreamId{0x210}, nullptr},
                                          {StreamId{0x298}, other.get()}};
        unit.after_write = [&] {
            if ((unit.status & 0x8000'0000) == 0) return;
            for (const std::uint64_t address : {0x5000u, 0x8000u}) {
                EXPECT_FALSE(unit.dma(0x210, address, true).passed);
                EXPECT_FALSE(unit.dma(0x298, address, true).passed);
            }
            if (expected == Found::own) {
                EXPECT_TRUE(unit.dma(nic, 0x5000, true).passed);
            }
        };
        auto taken = successor.iommu->take_over(assignments);
        unit.after_write = nullptr;
        ASSERT_TRUE(taken) << taken.error().text;
        EXPECT_EQ(taken->found, expected);
        EXPECT_EQ(taken->pause == Nanoseconds{}, expected != Found::foreign);
        EXPECT_TRUE(unit.dma(nic, 0x5000, true).passed);
        EXPECT_TRUE(unit.dma(0x298, 0x6000, true).passed);
        EXPECT_FALSE(unit.dma(disk, 0x8000, true).passed);
        EXPECT_FALSE(unit.dma(0x210, 0x5000, true).passed);
        EXPECT_TRUE(successor.iommu->recheck());
        EXPECT_TRUE(unit.complaints.empty());
        for (const std::uint16_t stream : {nic, std::uint16_t{0x298}})
            ASSERT_TRUE(successor.iommu->block(StreamId{stream}, units::Recording::on));
        successor.retire(same);
        successor.retire(other);
    }
};

TEST_P(ScalableSuccession, OwnTablesAreAdoptedWithoutAPause) {
    for (const bool root_invalidates : {false, true}) {
        silicon::Parameters with = parameters();
        with.root_invalidates = root_invalidates;
        silicon::Unit unit(with);
        first_instance(unit);
        const std::uint64_t root = unit.latched_root, queue = unit.queue_address;
        succeed(unit, Found::own);
        EXPECT_EQ(unit.latched_root, root);
        EXPECT_EQ(unit.queue_address, queue);
    }
}

TEST_P(ScalableSuccession, KilledAfterEveryRegisterWriteOfATakeOver) {
    for (std::size_t k = 1;; ++k) {
        SCOPED_TRACE(k);
        silicon::Unit unit(parameters());
        std::unique_ptr<silicon::Unit> snapshot;
        unit.after_write = [&] {
            if (unit.writes.size() == k) snapshot = unit.as_found_after_a_crash();
        };
        first_instance(unit);
        if (!snapshot) break;
        const bool translating = (snapshot->status & 0x8000'0000) != 0;
        succeed(*snapshot, translating ? Found::own : Found::off);
    }
}

TEST_P(ScalableSuccession, KilledAfterEveryRegisterWriteOfAnAdoption) {
    for (std::size_t k = 1;; ++k) {
        SCOPED_TRACE(k);
        silicon::Unit unit(parameters());
        first_instance(unit);
        std::unique_ptr<silicon::Unit> snapshot;
        Instance second(unit);
        ASSERT_TRUE(second.open());
        auto space = second.space();
        ASSERT_TRUE(map(*space, 0x5000, 0x7000'5000, page));
        unit.after_write = [&] {
            if (unit.writes.size() == k) snapshot = unit.as_found_after_a_crash();
        };
        const Assignment assignments[] = {{StreamId{nic}, space.get()}, {StreamId{0x210}, nullptr}};
        ASSERT_TRUE(second.iommu->take_over(assignments));
        unit.after_write = nullptr;
        ASSERT_TRUE(second.iommu->block(StreamId{nic}, units::Recording::on));
        second.retire(space);
        if (!snapshot) break;
        succeed(*snapshot, Found::own);
    }
}

TEST_P(ScalableSuccession, CorruptTablesAreForeign) {
    enum class Where { root, context, directory, entry };
    struct Damage {
        const char* what;
        Where where;
        std::uint64_t offset, value;
    };
    const std::uint64_t outside = 0x5000'0000;
    const Damage damages[] = {
        {"context table outside the arena", Where::root, 0, outside | 1},
        {"reserved bit in the root table", Where::root, 8, 2},
        {"directory outside the arena", Where::context, 0, outside | 1},
        {"answers translation requests", Where::context, 0, 5},
        {"has PASIDs", Where::context, 0, 9},
        {"a large directory", Where::context, 0, 0x201},
        {"another PASID for requests without one", Where::context, 8, 1},
        {"the upper half", Where::context, 24, 1},
        {"a second table in the directory", Where::directory, 8, outside | 1},
        {"PASID table outside the arena", Where::directory, 0, outside | 1},
        {"pass-through", Where::entry, 0, 1 | 2 << 2 | 4 << 6},
        {"nested", Where::entry, 0, 1 | 2 << 2 | 3 << 6},
        {"domain 0", Where::entry, 8, 1 << 23},
        {"supervisor requests", Where::entry, 16, 1},
        {"another entry", Where::entry, 64, 1},
    };
    for (const Damage& damage : damages) {
        SCOPED_TRACE(damage.what);
        silicon::Unit unit(parameters());
        first_instance(unit);
        const auto pointer = [&](std::uint64_t at) { return unit.word(at) & ~0xfffull; };
        const std::uint64_t root = unit.latched_root & ~0xfffull;
        const std::uint64_t context = pointer(root) + 32 * nic;
        const std::uint64_t places[] = {root, context, pointer(context), pointer(pointer(context))};
        const std::uint64_t at = places[std::size_t(damage.where)] + damage.offset;
        const bool keeps_pointer = damage.offset == 0 && damage.value < 0x1000 &&
                                   damage.where != Where::root;
        unit.set_word(at, damage.value | (keeps_pointer ? pointer(at) : 0));
        unit.complaints.clear();
        succeed(unit, Found::foreign);
    }
}

INSTANTIATE_TEST_SUITE_P(Stages, ScalableSuccession, testing::Bool(), [](const auto& tested) {
    return std::string(tested.param ? "First" : "Second");
});

// Everything of bus 0 through one identity gigabyte, in legacy mode.
void set_up_foreign_legacy(silicon::Unit& unit) {
    const std::uint64_t base = silicon::memory_base + silicon::memory_bytes - 8 * page;
    unit.set_word(base, (base + page) | 1);
    unit.set_word(base + page + 16 * nic, (base + 2 * page) | 1);
    unit.set_word(base + page + 16 * nic + 8, 2 | 1 << 8);
    unit.set_word(base + 2 * page, (base + 3 * page) | 3);
    unit.set_word(base + 3 * page, 0x83);
    unit.root = unit.latched_root = base;
    unit.status = 0xc000'0000;
}

TEST(ModeChange, ForeignLegacyTablesBecomeScalableOnesWhereTheModeMayChange) {
    for (const bool first_stage : {false, true}) {
        for (const bool root_invalidates : {false, true}) {
            silicon::Parameters parameters;
            parameters.scalable = true;
            (first_stage ? parameters.first_stage : parameters.second_stage) = true;
            parameters.root_invalidates = root_invalidates;
            silicon::Unit unit(parameters);
            set_up_foreign_legacy(unit);
            Instance service(unit);
            ASSERT_TRUE(service.open());
            auto space = service.space();
            ASSERT_TRUE(map(*space, 0x5000, 0x7000'5000, page));
            const Assignment assignments[] = {{StreamId{nic}, space.get()}};
            auto taken = service.iommu->take_over(assignments);
            // Second stage can be had in legacy mode too; first stage cannot.
            ASSERT_EQ(taken.has_value(), root_invalidates || !first_stage);
            if (taken) {
                EXPECT_EQ(unit.latched_root >> 10 & 3, root_invalidates ? 1u : 0u);
                EXPECT_EQ(service.iommu->report().mode.starts_with("scalable"), root_invalidates);
                EXPECT_TRUE(unit.dma(nic, 0x5000, true).passed);
                EXPECT_FALSE(unit.dma(nic, 0x9000, true).passed);
                EXPECT_TRUE(service.iommu->recheck());
                ASSERT_TRUE(service.iommu->block(StreamId{nic}, units::Recording::on));
            } else {
                EXPECT_EQ(taken.error().code, ENOTSUP);
                EXPECT_TRUE(unit.writes.empty());
                EXPECT_TRUE(unit.dma(nic, 0x9000, true).passed);
            }
            service.retire(space);
            EXPECT_TRUE(unit.complaints.empty());
        }
    }
}

// An instance that knew legacy mode only left its tables: they are adopted as they are.
TEST(ModeChange, OwnLegacyTablesStayLegacy) {
    for (const bool root_invalidates : {false, true}) {
        silicon::Parameters parameters;
        parameters.root_invalidates = root_invalidates;
        silicon::Unit unit(parameters);
        auto earlier = std::make_unique<Instance>(unit);
        ASSERT_TRUE(earlier->open());
        std::vector<std::unique_ptr<units::AddressSpace>> spaces;
        spaces.push_back(earlier->space());
        ASSERT_TRUE(map(*spaces[0], 0x5000, 0x7000'5000, page));
        const Assignment before[] = {{StreamId{nic}, spaces[0].get()}};
        ASSERT_TRUE(earlier->iommu->take_over(before));
        Instance::kill(std::move(earlier), std::move(spaces));
        unit.parameters.scalable = unit.parameters.second_stage = true;

        Instance service(unit);
        ASSERT_TRUE(service.open());
        auto space = service.space();
        ASSERT_TRUE(map(*space, 0x5000, 0x7000'5000, page));
        unit.after_write = [&] { EXPECT_TRUE(unit.dma(nic, 0x5000, true).passed); };
        const Assignment assignments[] = {{StreamId{nic}, space.get()}};
        auto taken = service.iommu->take_over(assignments);
        unit.after_write = nullptr;
        ASSERT_TRUE(taken) << taken.error().text;
        EXPECT_EQ(taken->found, Found::own);
        EXPECT_EQ(unit.latched_root & 0xc00, 0u);
        ASSERT_TRUE(service.iommu->block(StreamId{nic}, units::Recording::on));
        service.retire(space);
        EXPECT_TRUE(unit.complaints.empty());
    }
}

}  // namespace
}  // namespace bench
