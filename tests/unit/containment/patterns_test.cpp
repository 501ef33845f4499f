// SPDX-License-Identifier: Apache-2.0
// Patterns: how the drivers that exist use the library, as far as it shows at this level. Each test
// is named after the habit.
#include "tests/unit/containment/house.hpp"

namespace smmu::containment::testing {
namespace {

using Pattern = House;

TEST_F(Pattern, Pattern01_InitFiniInit) {
    for (int i = 0; i < 3; ++i) {
        const ClientId c = client(1);
        EXPECT_EQ(add(c, object(c), alone), 0);
        service->disconnect(c);
        service->disconnect(c);
    }
}

TEST_F(Pattern, Pattern03_OneObjectForTwoChannels) {
    const ClientId c = client(1);
    const ObjectId o = object(c);
    EXPECT_EQ(add(c, o, alone), 0);
    EXPECT_EQ(add(c, o, both), 0);
    EXPECT_EQ(grant(c, o, 0x10000, 0x10000), 0);
    EXPECT_EQ(may(unit0, 8, 0x10000), "rw");
    EXPECT_EQ(may(unit0, 100, 0x10000), "rw");
}

TEST_F(Pattern, Pattern04_AllThreeTeardowns) {
    for (int style = 0; style < 3; ++style) {
        const ClientId c = client(1);
        const ObjectId o = object(c);
        EXPECT_EQ(add(c, o, coarse), 0);
        EXPECT_EQ(grant(c, o, 0x10000, 64), 0);
        if (style == 0) {
            EXPECT_EQ(grant(c, o, 0x10000, 64, Access::none), 0);
        }
        if (style <= 1) {
            EXPECT_EQ(remove(c, coarse), 0);
        }
        EXPECT_EQ(destroy(c, o), 0);
        EXPECT_EQ(may(unit1, 1, 0x10000), "-");
        service->disconnect(c);
    }
}

TEST_F(Pattern, Pattern05_TheDeviceIsFoundByItsOwnWindow) {
    const ClientId c = client(1);
    EXPECT_EQ(add(c, object(c), MmioQuery{PhysAddr{0xa00000}, 0x800000}), 0);
    EXPECT_EQ(service->objects()[0].devices.size(), 1u);
}

TEST_F(Pattern, Pattern06_SecondDeviceAfterMappingsNeedsNoRepeat) {
    const ClientId c = client(1);
    const ObjectId o = object(c);
    EXPECT_EQ(add(c, o, alone), 0);
    EXPECT_EQ(grant(c, o, 0x10000, 48), 0);
    EXPECT_EQ(add(c, o, twin), 0);
    EXPECT_EQ(may(unit0, 16, 0x10000), "rw");
    EXPECT_EQ(grant(c, o, 0x12000, 48), 0);
    EXPECT_EQ(may(unit0, 8, 0x12000), "rw");
    EXPECT_EQ(may(unit0, 16, 0x12000), "rw");
}

TEST_F(Pattern, Pattern07_two_len_1_entries_in_one_page) {
    const ClientId c = client(1);
    const ObjectId o = object(c);
    EXPECT_EQ(add(c, o, alone), 0);
    auto fifos = request(0xe6e00010, 1);
    fifos.pieces.push_back({iova(0xe6e00014, 1), PhysAddr{0xe6e00014}});
    EXPECT_EQ(grant(c, o, fifos), 0);
    EXPECT_EQ(grant(c, o, fifos), 0);
    EXPECT_EQ(may(unit0, 8, 0xe6e00000), "rw");
    EXPECT_EQ(may(unit0, 8, 0xe6e00fff), "rw");
}

TEST_F(Pattern, Pattern08_AnAddressThatIsNoMemoryIsNoError) {
    const ClientId c = client(1);
    const ObjectId o = object(c);
    EXPECT_EQ(add(c, o, alone), 0);
    EXPECT_EQ(grant(c, o, 0x1003a14000, 32), 0);
}

TEST_F(Pattern, Pattern09_RepeatedAddsAndNonsenseRemovals) {
    const ClientId c = client(1);
    const ObjectId o = object(c);
    EXPECT_EQ(add(c, o, alone), 0);
    for (int i = 0; i < 4; ++i) EXPECT_EQ(grant(c, o, 0x10000, 300), 0);
    EXPECT_EQ(grant(c, o, 0xdeadbeefcafef00d, 17, Access::none), 0);
    EXPECT_EQ(grant(c, o, 0, 1, Access::none), 0);
    EXPECT_EQ(may(unit0, 8, 0x10000), "rw");
    EXPECT_EQ(grant(c, o, GrantRequest{{}, read_write, false, nullptr}), 0)
        << "no entries: nothing done";
}

TEST_F(Pattern, Pattern10_RemovalWorksOnRangesNotOnEntries) {
    const ClientId c = client(1);
    const ObjectId o = object(c);
    EXPECT_EQ(add(c, o, alone), 0);
    EXPECT_EQ(grant(c, o, 0x10000, 0x2800), 0);
    EXPECT_EQ(grant(c, o, 0x10000, 0x1000, Access::none), 0);
    EXPECT_EQ(may(unit0, 8, 0x10000), "-");
    EXPECT_EQ(may(unit0, 8, 0x11000), "rw");
}

TEST_F(Pattern, Pattern13_AddressesOfOnesOwnFromOneGiB) {
    const ClientId c = client(1);
    for (int i = 0; i < 64; ++i) object(c);
    const ObjectId o = object(c);
    EXPECT_EQ(add(c, o, alone), 0);
    for (std::uint64_t i = 0; i < 16; ++i)
        EXPECT_EQ(grant(c, o, translated(0x40000000 + i * page, page, 0x90000000 - i * page)), 0);
    EXPECT_EQ(unit0->reach(StreamId{8}, Iova{0x40003000})->physical, PhysAddr{0x8fffd000});
    EXPECT_EQ(grant(c, o, translated(0x40003000, page, 0x8fffd000, Access::none)), 0);
    EXPECT_EQ(may(unit0, 8, 0x40003000), "-");
    EXPECT_EQ(may(unit0, 8, 0x40004000), "rw");
}

TEST_F(Pattern, Pattern14_SeveralProcessesWithSeveralObjects) {
    const ClientId c = client(1), d = client(2);
    const ObjectId c1 = object(c), c2 = object(c), d1 = object(d);
    EXPECT_EQ(add(c, c1, alone), 0);
    EXPECT_EQ(add(c, c2, twin), 0);
    EXPECT_EQ(add(d, d1, both), 0);
    EXPECT_EQ(grant(c, c1, 0x10000, page), 0);
    EXPECT_EQ(grant(c, c2, 0x20000, page), 0);
    EXPECT_EQ(grant(d, d1, 0x30000, page), 0);
    EXPECT_EQ(may(unit0, 8, 0x10000) + may(unit0, 8, 0x20000) + may(unit0, 8, 0x30000), "rw--");
    EXPECT_EQ(may(unit0, 16, 0x10000) + may(unit0, 16, 0x20000) + may(unit0, 16, 0x30000), "-rw-");
    EXPECT_EQ(may(unit0, 100, 0x10000) + may(unit0, 100, 0x20000) + may(unit0, 100, 0x30000),
              "--rw");
}

}  // namespace
}  // namespace smmu::containment::testing
