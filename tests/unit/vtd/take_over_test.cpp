// SPDX-License-Identifier: Apache-2.0
// Take-over from every state a unit can be found in; a device tries its luck after every register
// write.
#include "bench.hpp"

namespace bench {
namespace {

using units::Assignment;
using units::Found;

// Tables of somebody else: everything of bus 0 goes through one identity gigabyte, under domain 1.
void set_up_foreign(silicon::Unit& unit, unsigned mode = 0, bool queue = true) {
    const std::uint64_t base = silicon::memory_base + silicon::memory_bytes - 8 * page;
    unit.set_word(base, (base + page) | 1);
    for (std::uint64_t function = 0; function < 256; ++function) {
        unit.set_word(base + page + 16 * function, (base + 2 * page) | 1);
        unit.set_word(base + page + 16 * function + 8, 2 | 1 << 8);
    }
    unit.set_word(base + 2 * page, (base + 3 * page) | 3);
    unit.set_word(base + 3 * page, 0x83);
    unit.root = unit.latched_root = base | mode << 10;
    unit.status = 0xc000'0000 | (queue ? 0x0400'0000u : 0u);
    unit.queue_address = queue ? base + 4 * page : 0;
}

TEST(TakeOver, OffOpensNothingAtAnyMoment) {
    for (const bool root_invalidates : {false, true}) {
        for (const bool queued : {true, false}) {
            Bench bench(
                {.protected_memory = true, .root_invalidates = root_invalidates, .queued = queued});
            // Firmware left protection on over all memory.
            bench.unit.protection = 0x8000'0001;
            bench.unit.low_limit = bench.unit.high_limit = ~0ull;
            bench.unit.after_write = [&] {
                if ((bench.unit.status & 0x8000'0000) == 0) return;
                EXPECT_FALSE(bench.passes(nic, 0x7000'5000));
                EXPECT_FALSE(bench.passes(disk, 0x5000));
                EXPECT_FALSE(bench.passes(remote, 0x5000));
            };
            auto taken = bench.take_over();
            ASSERT_TRUE(taken) << taken.error().text;
            EXPECT_EQ(taken->found, Found::off);
            EXPECT_EQ(taken->pause, Nanoseconds{});
            EXPECT_EQ(bench.iommu().state(), units::UnitState::containing);
            EXPECT_EQ(bench.unit.protection, 0u);
            EXPECT_TRUE(bench.passes(nic, 0x5000));
            EXPECT_EQ(bench.unit.dma(nic, 0x5008, true).address, 0x7000'5008u);
            EXPECT_EQ(bench.unit.dma(nic, 0x6000, true).reason, 5u);
            EXPECT_EQ(bench.unit.dma(disk, 0x5000, false).reason, 6u);  // known: on an empty space
            EXPECT_EQ(bench.unit.dma(0x30, 0x5000, false).reason, 2u);  // unknown on a known bus
            EXPECT_EQ(bench.unit.dma(remote, 0x5000, false).reason, 1u);
            EXPECT_TRUE(bench.iommu().recheck()) << bench.iommu().recheck().error().text;
            bench.end();
        }
    }
}

TEST(TakeOver, OffWritesCommandsInTheManualsOrder) {
    Bench bench;
    ASSERT_TRUE(bench.take_over());
    std::vector<std::uint64_t> commands;
    for (const auto& [offset, value] : bench.unit.writes)
        if (offset == 0x18) commands.push_back(value);
    EXPECT_EQ(commands, (std::vector<std::uint64_t>{0x0400'0000, 0x4400'0000, 0x8400'0000}));
    // Root, then contexts and translations forgotten in two steps, before translation goes on.
    EXPECT_EQ(bench.unit.commands,
              (std::vector<std::string>{"context global", "wait fence", "iotlb global", "wait"}));
    bench.end();
}

TEST(TakeOver, ForeignIsReplacedThroughARefusingRoot) {
    for (const unsigned mode : {0u, 1u, 3u}) {
        Bench bench({.root_invalidates = mode != 0});
        set_up_foreign(bench.unit, mode);
        if (mode == 0) {
            EXPECT_TRUE(bench.passes(nic, 0x9000));
        }
        bool closed = false;
        bench.unit.after_write = [&] {
            closed = closed ||
                     (bench.unit.latched_root & ~0xfffull) != (bench.unit.root & ~0xfffull) ||
                     bench.unit.commands.size() >= 4;
            if (bench.unit.commands.size() >= 4) {
                EXPECT_FALSE(bench.passes(nic, 0x9000));
                EXPECT_FALSE(bench.passes(0x88, 0x9000));
            }
        };
        auto taken = bench.take_over();
        ASSERT_TRUE(taken) << taken.error().text;
        EXPECT_EQ(taken->found, Found::foreign);
        EXPECT_GT(taken->pause, Nanoseconds{});
        EXPECT_LE(taken->pause, taken->took);
        EXPECT_FALSE(bench.passes(nic, 0x9000));
        EXPECT_TRUE(bench.passes(nic, 0x5000));
        EXPECT_TRUE(bench.iommu().recheck());
        bench.end();
    }
}

TEST(TakeOver, ForeignModeThatCannotChangeIsLeftAsFound) {
    Bench bench;
    set_up_foreign(bench.unit, 1);
    auto taken = bench.take_over();
    ASSERT_FALSE(taken);
    EXPECT_EQ(taken.error().code, ENOTSUP);
    EXPECT_TRUE(bench.unit.writes.empty());
    EXPECT_EQ(bench.iommu().state(), units::UnitState::untouched);
    bench.end();
}

TEST(TakeOver, ForeignQueueThatWorksOnIsLeftAsFound) {
    Bench bench;
    set_up_foreign(bench.unit);
    bench.unit.queue_tail = 0x40;
    auto taken = bench.take_over();
    ASSERT_FALSE(taken);
    EXPECT_EQ(taken.error().code, EBUSY);
    EXPECT_TRUE(bench.unit.writes.empty());
    EXPECT_EQ(bench.iommu().state(), units::UnitState::untouched);
    EXPECT_TRUE(bench.passes(nic, 0x9000));
    bench.end();
}

TEST(TakeOver, ForeignQueueThatAnErrorStoppedIsTurnedOff) {
    for (const std::uint32_t error : {0x10u, 0x40u}) {
        Bench bench;
        set_up_foreign(bench.unit);
        bench.unit.queue_tail = 0x40;
        bench.unit.faults = error;
        auto taken = bench.take_over();
        ASSERT_TRUE(taken) << taken.error().text;
        EXPECT_LT(taken->took, Nanoseconds(100'000'000));
        EXPECT_FALSE(bench.passes(nic, 0x9000));
        EXPECT_TRUE(bench.passes(nic, 0x5000));
        EXPECT_TRUE(bench.iommu().recheck());
        bench.end();
    }
}

TEST(TakeOver, BadAssignmentsAreRefusedBeforeAnything) {
    Bench bench;
    Bench other;
    const Assignment stranger[] = {{StreamId{nic}, other.first.get()}};
    EXPECT_EQ(bench.iommu().take_over(stranger).error().code, EINVAL);
    const Assignment wide[] = {{StreamId{0x1'0000}, nullptr}};
    EXPECT_EQ(bench.iommu().take_over(wide).error().code, EINVAL);
    const Assignment twice[] = {{StreamId{nic}, bench.first.get()}, {StreamId{nic}, nullptr}};
    EXPECT_EQ(bench.iommu().take_over(twice).error().code, EINVAL);
    EXPECT_TRUE(bench.unit.writes.empty());
    bench.end();
    other.end();
}

TEST(TakeOver, NoFramesMeansNoRegisterWritten) {
    Bench bench;
    bench.service.account->limit = bench.service.account->held + 1;
    auto taken = bench.take_over();
    ASSERT_FALSE(taken);
    EXPECT_EQ(taken.error().code, EDQUOT);
    EXPECT_TRUE(bench.unit.writes.empty());
    bench.service.account->limit = ~0ull;
    EXPECT_TRUE(bench.take_over());
    bench.end();
}

// Two instances on one machine: the first is killed while the unit translates.
class Succession : public testing::Test {
protected:
    explicit Succession(silicon::Parameters parameters = {}) : unit(parameters) {}

    void first_instance() {
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
        unit.writes.clear();
        unit.commands.clear();
    }
    // Startup mappings of the second instance: the nic as before, the disk no longer known.
    Result<units::TakeOver> second_instance() {
        service = std::make_unique<Instance>(unit);
        SMMU_CHECK(service->open());
        space = service->space();
        SMMU_CHECK(map(*space, 0x5000, 0x7000'5000, page));
        const Assignment assignments[] = {{StreamId{nic}, space.get()}, {StreamId{0x210}, nullptr}};
        return service->iommu->take_over(assignments);
    }
    void TearDown() override {
        for (const std::string& complaint : unit.complaints) ADD_FAILURE() << complaint;
        if (!service) return;
        (void)service->iommu->block(StreamId{nic}, units::Recording::on);
        (void)service->iommu->retire(std::move(space));
        service.reset();
    }

    silicon::Unit unit;
    std::unique_ptr<Instance> service;
    std::unique_ptr<units::AddressSpace> space;
};

TEST_F(Succession, OwnTablesAreAdoptedWithoutAPause) {
    first_instance();
    const std::uint64_t root = unit.latched_root, queue = unit.queue_address;
    unit.after_write = [&] {
        EXPECT_TRUE(unit.dma(nic, 0x5000, true).passed);
        EXPECT_FALSE(unit.dma(nic, 0x8000, true).passed);
    };
    auto taken = second_instance();
    ASSERT_TRUE(taken) << taken.error().text;
    EXPECT_EQ(taken->found, Found::own);
    EXPECT_EQ(taken->pause, Nanoseconds{});
    unit.after_write = nullptr;
    EXPECT_EQ(unit.latched_root, root);
    EXPECT_EQ(unit.queue_address, queue);
    EXPECT_EQ(unit.dma(disk, 0x8000, true).reason, 2u);
    EXPECT_EQ(unit.dma(0x210, 0x8000, true).reason, 5u);
    // Nothing of the first instance may be in use now: its frames are written over, DMA goes on.
    memory::Gather everything;
    everything.cover_everything();
    ASSERT_NE(service->iommu->caches(), nullptr);
    auto proof = service->iommu->caches()->flush(std::move(everything), *service->arena);
    ASSERT_TRUE(proof);
    const std::uint64_t used = service->arena->count().used;
    service->arena->retire_earlier_generations(std::move(*proof));
    EXPECT_EQ(service->arena->count().earlier, 0u);
    EXPECT_EQ(service->arena->count().used, used);
    memory::Account scratch;
    auto frames = service->arena->take_many(scratch, service->arena->count().free);
    ASSERT_TRUE(frames);
    for (memory::Frame& frame : *frames) std::fill_n(frame.words(), frame.word_count(), ~0ull);
    EXPECT_TRUE(unit.dma(nic, 0x5000, true).passed);
    EXPECT_EQ(unit.dma(nic, 0x5000'0000, true).reason, 5u);
    EXPECT_EQ(unit.dma(0x210, 0x8000, true).reason, 5u);
    for (memory::Frame& frame : *frames) service->arena->discard(std::move(frame));
    EXPECT_TRUE(service->iommu->recheck());
}

TEST_F(Succession, NewDomainIdsDifferFromAllOldOnes) {
    first_instance();
    std::vector<std::uint64_t> old_ids;
    const std::uint64_t contexts = unit.word(unit.latched_root) & ~0xfffull;
    for (const std::uint16_t source : {nic, disk})
        old_ids.push_back(unit.word(contexts + 16 * source + 8) >> 8);
    ASSERT_TRUE(second_instance());
    const std::uint64_t now = unit.word(contexts + 16 * nic + 8) >> 8;
    for (const std::uint64_t old : old_ids) EXPECT_NE(now, old);
}

// What a successor must not open at any moment, wherever its predecessor was killed: a stream that
// is to refuse, and one that has a new space, must not meet what is cached of older spaces.
class Killed : public Succession {
protected:
    static constexpr std::uint16_t refused = 0x210, fresh = 0x218;

    static void succeed(silicon::Unit& found, bool nic_never_refused) {
        Instance successor(found);
        ASSERT_TRUE(successor.open());
        auto same = successor.space(), other = successor.space();
        ASSERT_TRUE(map(*same, 0x5000, 0x7000'5000, page));
        ASSERT_TRUE(map(*other, 0x6000, 0x7000'6000, page));
        const Assignment assignments[] = {{StreamId{nic}, same.get()},
                                          {StreamId{refused}, nullptr},
                                          {StreamId{fresh}, other.get()}};
        found.after_write = [&] {
            for (const std::uint64_t address : {0x5000u, 0x8000u}) {
                EXPECT_FALSE(found.dma(refused, address, true).passed);
                EXPECT_FALSE(found.dma(fresh, address, true).passed);
            }
            if (nic_never_refused) {
                EXPECT_TRUE(found.dma(nic, 0x5000, true).passed);
            }
        };
        auto taken = successor.iommu->take_over(assignments);
        ASSERT_TRUE(taken) << taken.error().text;
        found.after_write = nullptr;
        EXPECT_EQ(taken->found, Found::own);
        EXPECT_TRUE(found.dma(nic, 0x5000, true).passed);
        EXPECT_TRUE(found.dma(fresh, 0x6000, true).passed);
        EXPECT_FALSE(found.dma(disk, 0x8000, true).passed);
        EXPECT_TRUE(found.complaints.empty());
        for (const std::uint16_t stream : {nic, fresh})
            ASSERT_TRUE(successor.iommu->block(StreamId{stream}, units::Recording::on));
        successor.retire(same);
        successor.retire(other);
    }
};

TEST_F(Killed, BetweenAChangeAndItsFlush) {
    first_instance();
    // The disk was blocked: stored and not flushed. Its space's id is cached and named nowhere.
    const std::uint64_t contexts = unit.word(unit.latched_root) & ~0xfffull;
    const std::uint64_t blocked = unit.word(unit.latched_root + 16) & ~0xfffull;
    for (const unsigned half : {0u, 8u})
        unit.set_word(contexts + 16 * disk + half, unit.word(blocked + half));
    succeed(unit, true);
}

TEST_F(Killed, DuringATakeOver) {
    for (const bool root_invalidates : {false, true}) {
        for (std::size_t k = 1;; ++k) {
            SCOPED_TRACE(k);
            unit = silicon::Unit({.root_invalidates = root_invalidates});
            first_instance();
            std::unique_ptr<silicon::Unit> snapshot;
            unit.after_write = [&] {
                if (unit.writes.size() == k) snapshot = unit.as_found_after_a_crash();
            };
            ASSERT_TRUE(second_instance());
            unit.after_write = nullptr;
            TearDown();
            if (!snapshot) break;
            succeed(*snapshot, true);
        }
    }
}

TEST_F(Killed, BetweenAnEmptyRootAndItsLatch) {
    first_instance();
    std::unique_ptr<silicon::Unit> snapshot;
    unit.after_write = [&] {
        if (unit.writes.back().first == 0x20 && !snapshot)
            snapshot = unit.as_found_after_a_crash();
    };
    dead.instances.back()->iommu->hard_stop();
    unit.after_write = nullptr;
    ASSERT_TRUE(snapshot);
    ASSERT_NE(snapshot->root, snapshot->latched_root);
    succeed(*snapshot, false);
}

TEST_F(Succession, CorruptTablesOfOursAreForeign) {
    struct Damage {
        const char* what;
        std::uint64_t root_offset, context_offset, value;
    };
    const std::uint64_t outside = 0x5000'0000;
    const Damage damages[] = {
        {"context table outside the arena", 0, ~0ull, outside | 1},
        {"reserved bit in the root entry", 0, ~0ull, silicon::memory_base + 0x8000 + 3},
        {"page table outside the arena", ~0ull, 16 * nic, outside | 1},
        {"pass-through entry", ~0ull, 16 * nic, (silicon::memory_base + 0x8000) | 9},
        {"odd width", ~0ull, 16 * nic + 8, 3 | 5 << 8},
        {"domain 0", ~0ull, 16 * nic + 8, 2},
        {"context table twice", 16 * 7, ~0ull, 0},
    };
    for (const Damage& damage : damages) {
        SCOPED_TRACE(damage.what);
        unit = silicon::Unit({});
        first_instance();
        const std::uint64_t root = unit.latched_root;
        if (damage.root_offset != ~0ull)
            unit.set_word(root + damage.root_offset,
                          damage.value != 0 ? damage.value : unit.word(root));
        else
            unit.set_word((unit.word(root) & ~0xfffull) + damage.context_offset, damage.value);
        auto taken = second_instance();
        ASSERT_TRUE(taken) << taken.error().text;
        EXPECT_EQ(taken->found, Found::foreign);
        EXPECT_NE(unit.latched_root, root);
        EXPECT_TRUE(unit.dma(nic, 0x5000, true).passed);
        EXPECT_FALSE(unit.dma(disk, 0x8000, true).passed);
        TearDown();
    }
}

TEST_F(Succession, RootWrittenButNotLatchedIsNotTakenForTheRealOne) {
    set_up_foreign(unit);
    first_instance();
    const std::uint64_t own = unit.root;
    const std::uint64_t queue = unit.queue_address;
    set_up_foreign(unit);
    unit.queue_address = queue;
    unit.root = own;  // killed between RTADDR and SRTP: hardware still walks the foreign tables
    EXPECT_TRUE(unit.dma(0x88, 0x9000, true).passed);
    ASSERT_TRUE(second_instance());
    EXPECT_EQ(unit.latched_root, own);
    EXPECT_FALSE(unit.dma(0x88, 0x9000, true).passed);
    EXPECT_TRUE(unit.dma(nic, 0x5000, true).passed);
}

TEST_F(Succession, QueueErrorOfThePredecessorIsMended) {
    first_instance();
    // It died while a broken descriptor stopped the queue, with another one behind it.
    const std::uint64_t ring = unit.queue_address & ~0xfffull;
    unit.set_word(ring + unit.queue_tail, 0xf);
    unit.set_word(ring + unit.queue_tail + 16, 1 | 1 << 4);
    unit.set_word(ring + unit.queue_tail + 24, 0);
    unit.write64(0x88, unit.queue_tail + 32);
    ASSERT_EQ(unit.faults & 0x10, 0x10u);
    auto taken = second_instance();
    ASSERT_TRUE(taken) << taken.error().text;
    EXPECT_EQ(taken->found, Found::own);
    EXPECT_EQ(unit.faults & 0x10, 0u);
    EXPECT_EQ(unit.queue_head, unit.queue_tail);
}

TEST_F(Succession, KilledAfterEveryRegisterWriteTheNextOneContains) {
    // The first instance ends by itself after the k-th register write of its take-over; its
    // successor must contain.
    for (std::size_t k = 1;; ++k) {
        SCOPED_TRACE(k);
        unit = silicon::Unit({.protected_memory = true});
        auto service_1 = std::make_unique<Instance>(unit);
        ASSERT_TRUE(service_1->open());
        std::vector<std::unique_ptr<units::AddressSpace>> spaces;
        spaces.push_back(service_1->space());
        ASSERT_TRUE(map(*spaces[0], 0x5000, 0x7000'5000, page));
        const Assignment assignments[] = {{StreamId{nic}, spaces[0].get()}};
        // What the machine looks like when the process dies there: the next instance starts on a
        // copy.
        std::unique_ptr<silicon::Unit> snapshot;
        unit.after_write = [&] {
            if (unit.writes.size() == k) snapshot = unit.as_found_after_a_crash();
        };
        ASSERT_TRUE(service_1->iommu->take_over(assignments));
        unit.after_write = nullptr;
        Instance::kill(std::move(service_1), std::move(spaces));
        if (!snapshot) break;

        Instance service_2(*snapshot);
        ASSERT_TRUE(service_2.open());
        auto again = service_2.space();
        ASSERT_TRUE(map(*again, 0x5000, 0x7000'5000, page));
        const Assignment second[] = {{StreamId{nic}, again.get()}};
        auto taken = service_2.iommu->take_over(second);
        ASSERT_TRUE(taken) << taken.error().text;
        EXPECT_TRUE(snapshot->dma(nic, 0x5000, true).passed);
        EXPECT_FALSE(snapshot->dma(nic, 0x9000, true).passed);
        EXPECT_FALSE(snapshot->dma(disk, 0x5000, true).passed);
        EXPECT_TRUE(snapshot->complaints.empty());
        ASSERT_TRUE(service_2.iommu->block(StreamId{nic}, units::Recording::on));
        service_2.retire(again);
    }
}

}  // namespace
}  // namespace bench
