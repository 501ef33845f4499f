// SPDX-License-Identifier: Apache-2.0
// The service on R-Cars, with the board files that users have. Every test ends with a log of the model without complaints.
#include "tests/e2e/model_rcar/rcar_room.hpp"

namespace smmu::test {
namespace {

using testing::HasSubstr;

class ModelRcar : public RcarRoom {
protected:
    const report::Device& device(const report::Status& status, Master master) {
        const std::string address = fmt::format("{:x}", master.base);
        for (const auto& one : status.devices)
            if (one.id.find(address) != std::string::npos) return one;
        throw std::runtime_error("the service does not know " + address);
    }
};

TEST_F(ModelRcar, WhatIsGrantedPassesAndTheRestIsRefused) {
    open_file(SMMU_SOURCE_DIR "/boards/models/rcar-h3.json");
    EXPECT_TRUE(writes(usb, free_memory)) << "open before the service is there";
    start("rcar-h3.smmu");
    expect_contained();
    const report::Status before = status();
    ASSERT_EQ(before.units.size(), 1u);
    EXPECT_EQ(before.units[0].state, "contained");
    EXPECT_EQ(before.units[0].version, "R-Car H3 ES3 (0x4f.0x20)");
    EXPECT_EQ(before.units[0].spaces_possible, 6u);
    EXPECT_EQ(device(before, sdhi0).streams.at(0).cache, "ds1");
    EXPECT_EQ(device(before, sdhi0).streams.at(0).id, 32u);

    ClientProcess client = driver();
    const Object object = own(client, sdhi0);
    expect_contained();
    ASSERT_TRUE(client.map(object, free_memory, 4 * page).done());
    EXPECT_TRUE(writes(sdhi0, free_memory));
    EXPECT_TRUE(reads(sdhi0, free_memory + 3 * page));
    EXPECT_FALSE(writes(sdhi0, free_memory + 4 * page));
    for (const Master other : {sdhi1, dmac0, usb}) EXPECT_FALSE(writes(other, free_memory)) << std::hex << other.base;
    ASSERT_TRUE(client.unmap(object, free_memory + page, page).done());
    EXPECT_FALSE(writes(sdhi0, free_memory + page));
    EXPECT_TRUE(writes(sdhi0, free_memory));

    // Every channel of a controller has a micro-TLB of its own.
    ASSERT_TRUE(add(client, object, dmac0).done());
    for (const unsigned channel : {0u, 7u, 15u}) EXPECT_TRUE(writes({dmac0.base, channel}, free_memory)) << channel;
    client.kill_now();
    EXPECT_TRUE(eventually([&] { return status().objects.empty(); }));
    expect_contained();
    EXPECT_EQ(service().end(SIGTERM), 0);
    expect_contained();
}

TEST_F(ModelRcar, ARefusedAccessIsRecordedWithItsDevice) {
    open("h3-es3");
    start("rcar-h3.smmu");
    ClientProcess client = driver();
    ASSERT_NE(own(client, sata), nullptr);
    ASSERT_TRUE(client.events().empty());
    EXPECT_FALSE(writes(sata, free_memory + 0x120));
    const smmu_event event = client.next_event();
    EXPECT_EQ(event.address, free_memory + 0x120);
    EXPECT_STREQ(event.unit, "hc");
    EXPECT_EQ(event.stream, 2u);
    EXPECT_TRUE(eventually([&] { return device(status(), sata).refused == 1; }));
    // Of those that nobody has the hardware tells no name, and none is made up.
    EXPECT_FALSE(writes(usb, free_memory));
    EXPECT_TRUE(eventually([&] { return status().transgressions >= 2; }));
}

// Stage-1 tables cannot say "write alone".
TEST_F(ModelRcar, AGrantToWriteAlsoReadsUnlessThatIsRefused) {
    open("h3-es2");
    start("rcar-h3.smmu");
    {
        ClientProcess client = driver();
        const Object object = own(client, sdhi0);
        ASSERT_TRUE(client.map(object, free_memory, page, SMF_WRITE).done());
        EXPECT_TRUE(writes(sdhi0, free_memory));
        EXPECT_TRUE(reads(sdhi0, free_memory));
    }
    ASSERT_EQ(service().end(SIGTERM), 0);
    start("rcar-h3.smmu", {"widen", "refuse"});
    ClientProcess client = driver();
    const Object object = own(client, sdhi0);
    const Answer refused = client.map(object, free_memory, page, SMF_WRITE);
    EXPECT_TRUE(refused.failed_with(EPERM)) << testing::PrintToString(refused);
    EXPECT_THAT(refused.text, HasSubstr("widen refuse"));
    EXPECT_FALSE(writes(sdhi0, free_memory));
    ASSERT_TRUE(client.map(object, free_memory, page, SMF_READ).done());
    EXPECT_TRUE(reads(sdhi0, free_memory));
    EXPECT_FALSE(writes(sdhi0, free_memory));
}

TEST_F(ModelRcar, StageTwoTablesWriteAlone) {
    open("h3-es3");
    start("rcar-h3.smmu", {"widen", "refuse"});
    ClientProcess client = driver();
    const Object object = own(client, sdhi0);
    ASSERT_TRUE(client.map(object, free_memory, page, SMF_WRITE).done());
    EXPECT_TRUE(writes(sdhi0, free_memory));
    EXPECT_FALSE(reads(sdhi0, free_memory));
}

TEST_F(ModelRcar, AServiceAfterAServiceThatWasKilled) {
    for (const char* const product : {"h3-es2", "h3-es3"}) {
        SCOPED_TRACE(product);
        open(product);
        start("rcar-h3.smmu", {"allow", "ring", fmt::format("{:#x},4K", free_memory + 16 * page), "device",
                               fmt::format("mem:{:#x}", avb.base), "ring"});
        EXPECT_TRUE(writes(avb, free_memory + 16 * page));
        ClientProcess client = driver();
        ASSERT_TRUE(client.map(own(client, sdhi0), free_memory, page).done());
        EXPECT_TRUE(writes(sdhi0, free_memory));
        service().end(SIGKILL);
        EXPECT_TRUE(writes(avb, free_memory + 16 * page));
        expect_contained(free_memory + page);
        client.kill_now();
        start("rcar-h3.smmu", {"allow", "ring", fmt::format("{:#x},4K", free_memory + 16 * page), "device",
                               fmt::format("mem:{:#x}", avb.base), "ring"});
        EXPECT_TRUE(writes(avb, free_memory + 16 * page));
        EXPECT_EQ(status().units.at(0).found, "own");
        expect_contained();
        ClientProcess next = driver();
        ASSERT_TRUE(next.map(own(next, sdhi0), free_memory, page).done());
        EXPECT_TRUE(writes(sdhi0, free_memory));
        service().end(SIGKILL);
    }
}

// A file of another cut would translate on the wrong ports and leave the real ones open.
TEST_F(ModelRcar, TheFileOfAnotherChipIsRefusedWithTheReason) {
    open_file(SMMU_SOURCE_DIR "/tests/e2e/model_rcar/rcar-h3-es1.json");
    const Ran wrong = run(board(), "smmuman", Service::words(board(), words("rcar-h3.smmu")));
    EXPECT_NE(wrong.status, 0);
    EXPECT_THAT(wrong.output, HasSubstr("the chip is R-Car H3 ES1 (0x4f.0x1)"));
    EXPECT_THAT(wrong.output, HasSubstr("R-Car H3 ES3 (0x4f.0x20)"));
    start("rcar-h3-es1.smmu");
    expect_contained();
    ClientProcess client = driver();
    ASSERT_TRUE(client.map(own(client, audio), free_memory, page).done());
    EXPECT_TRUE(writes(audio, free_memory)) << "by another cache unit than in later cuts";
}

TEST_F(ModelRcar, ObjectsEndWhereContextsDo) {
    open("h3-es3");
    start("rcar-h3.smmu");
    ClientProcess client = driver();
    unsigned owned = 0;
    Answer last;
    for (const Master master : {sdhi0, sdhi1, sata, avb, audio, fcpf0, dmac0}) {
        last = add(client, client.create(), master);
        if (!last.done()) break;
        ++owned;
    }
    EXPECT_GE(owned, 4u);
    EXPECT_LT(owned, 7u);
    EXPECT_TRUE(last.failed_with(ENOSPC) || last.failed_with(ENOMEM)) << testing::PrintToString(last);
    EXPECT_THAT(last.text, HasSubstr("contexts"));
    expect_contained();
}

}  // namespace
}  // namespace smmu::test
