// SPDX-License-Identifier: Apache-2.0
// The service on an MMU-500, which QEMU does not have. The model complains of whatever the manual
// forbids; every test ends with a log without complaints.
#include "tests/e2e/model_mmu500/mmu500_room.hpp"

namespace smmu::test {
namespace {

using testing::HasSubstr;

class ModelMmu500 : public Mmu500Room {
protected:
    void expect_works_on(const std::string& features, bool write_implies_read = false,
                         const std::string& further = "") {
        open(features, further);
        start();
        expect_contained();
        for (const unsigned index : {network, disk, pair})
            expect_drivers_work(index, write_implies_read);
        expect_contained();
        EXPECT_EQ(service().end(SIGTERM), 0);
        expect_contained();
    }
};

TEST_F(ModelMmu500, BothStages) {
    expect_works_on("");
}

TEST_F(ModelMmu500, ExtendedIds) {
    expect_works_on(R"("extended_ids": true)");
}

TEST_F(ModelMmu500, IndexedStreams) {
    expect_works_on(R"("stream_matching": false, "stream_bits": 6)");
}

TEST_F(ModelMmu500, Stage1Only) {
    expect_works_on(R"("stage2": false, "stage2_banks": 0)", true);
}

TEST_F(ModelMmu500, Stage2Only) {
    expect_works_on(R"("stage1": false, "input_bits": 40, "output_bits": 40)");
}

TEST_F(ModelMmu500, LargePagesOfRegistersAndManyBanks) {
    expect_works_on(R"("large_pages": true, "banks": 128, "match_groups": 128)");
}

TEST_F(ModelMmu500, WalksThatDoNotSnoop) {
    expect_works_on(R"("coherent": false)");
}

TEST_F(ModelMmu500, SyncsTakeTheirTime) {
    expect_works_on("", false, R"(, "behaviour": {"sync_delay": 20})");
}

TEST_F(ModelMmu500, SecureSoftwareKeepsPrefetchingOn) {
    expect_works_on("", false, R"(, "behaviour": {"cache_locked": true})");
}

TEST_F(ModelMmu500, FirmwareLeftItOn) {
    expect_works_on("", false, R"(, "behaviour": {"live": true})");
}

TEST_F(ModelMmu500, OneObjectOverSeveralDevices) {
    open();
    start();
    ClientProcess client = driver();
    const Object object = own(client, network);
    ASSERT_TRUE(add(client, object, pair).done());
    ASSERT_TRUE(client.map(object, 0x40000000, page, rw | SMF_TARGET, memory).done());
    EXPECT_TRUE(writes(network, 0x40000000, memory));
    EXPECT_TRUE(writes(pair, 0x40000000, memory));
    engine(pair).choose(1);
    EXPECT_TRUE(writes(pair, 0x40000000, memory)) << "both of its streams";
    EXPECT_FALSE(writes(disk, 0x40000000, memory));
    ASSERT_TRUE(client.unmap(object, 0x40000000, page).done());
    EXPECT_FALSE(writes(network, 0x40000000, memory));
    EXPECT_FALSE(writes(pair, 0x40000000, memory));
}

TEST_F(ModelMmu500, RefusalsAreRecordedWithStreamAddressAndDirection) {
    open();
    start();
    ClientProcess client = driver();
    while (!client.events().empty()) {
    }
    const Object object = own(client, network);
    ASSERT_TRUE(client.map(object, memory, page, SMF_READ).done());
    constexpr std::uint64_t nowhere = 0x85000000;
    const auto refused = [&](unsigned index, std::uint64_t address, bool write) {
        if (write)
            engine(index).write(address, few);
        else
            engine(index).read(address, few);
        const smmu_event event = client.next_event();
        EXPECT_EQ(event.address, address);
        EXPECT_EQ(event.access, unsigned{write ? SMF_WRITE : SMF_READ});
        EXPECT_TRUE(event.flags & SMMU_EVENT_ADDRESS_KNOWN);
        EXPECT_STREQ(event.unit, "mmu");
        return event;
    };
    const auto cause = [](const smmu_event& event) {
        return std::string(smmu_cause_name(event.cause));
    };
    const smmu_event never = refused(network, nowhere + 0x123, true);
    EXPECT_EQ(cause(never), "never-granted");
    EXPECT_EQ(never.stream, 1u);
    EXPECT_EQ(never.stage, 2u);
    EXPECT_EQ(never.device.type, unsigned{SDT_MMIO});
    EXPECT_EQ(never.device.mmio.phys, engine(network).base());
    EXPECT_EQ(never.owner_pid, unsigned(client.pid()));
    EXPECT_EQ(cause(refused(network, nowhere, false)), "never-granted");
    EXPECT_EQ(cause(refused(network, memory, true)), "permission");
    EXPECT_EQ(cause(refused(network, memory + page, true)), "overrun");
    const smmu_event blocked = refused(disk, nowhere, true);
    EXPECT_EQ(cause(blocked), "not-attached");
    EXPECT_EQ(blocked.stream, 2u);
    EXPECT_EQ(cause(refused(disk, nowhere + page, false)), "not-attached");
    const smmu_event unknown = refused(stranger, nowhere, true);
    EXPECT_EQ(cause(unknown), "unknown-stream");
    EXPECT_EQ(unknown.stream, 8u);
    EXPECT_EQ(unknown.device.type, unsigned{SDT_NUM_TYPES});
    ASSERT_TRUE(client.unmap(object, memory, page).done());
    EXPECT_EQ(cause(refused(network, memory, false)), "after-removal");
}

// A device that refuses without end takes away nothing from others.
TEST_F(ModelMmu500, AStormOfOneDeviceHidesNobodyElse) {
    open();
    start();
    ClientProcess client = driver();
    const Object object = own(client, network);
    ASSERT_TRUE(client.map(object, memory, page).done());
    const auto refused = [&](unsigned index) {
        const std::string name = fmt::format("{:x}", engine(index).base());
        for (const auto& device : status().devices)
            if (device.id.find(name) != std::string::npos) return device.refused;
        ADD_FAILURE() << "the service does not know " << name;
        return std::uint64_t{0};
    };
    std::atomic<bool> over = false;
    auto connected = board().connect();
    ASSERT_TRUE(connected);
    std::thread storm([&, engine = Engine(**connected, engine(pair).base())]() mutable {
        while (!over) engine.write(0x85000000, few);
    });
    EXPECT_TRUE(eventually([&] { return refused(pair) > 100; }));
    EXPECT_TRUE(eventually([&] {
        engine(disk).write(0x85000000, few);
        return refused(disk) != 0;
    }));
    EXPECT_TRUE(eventually([&] {
        engine(network).write(0x85000000, few);
        return refused(network) != 0;
    }));
    EXPECT_TRUE(writes(network, memory));
    over = true;
    storm.join();
}

// The disk may always use 64 KiB; whoever else is gone, and whatever becomes of the service.
TEST_F(ModelMmu500, AServiceAfterAServiceThatWasKilled) {
    constexpr std::uint64_t reserved = 0x83000000;
    const auto all = words({"reserved", "83000000,64K"});
    open();
    start(all);
    ClientProcess client = driver();
    const Object object = own(client, network);
    ASSERT_TRUE(client.map(object, memory, page).done());
    EXPECT_TRUE(writes(network, memory));
    EXPECT_TRUE(writes(disk, reserved));
    service().end(SIGKILL);
    client.kill_now();
    EXPECT_TRUE(writes(disk, reserved)) << "the hardware goes on";
    auto connected = board().connect();
    ASSERT_TRUE(connected);
    std::atomic<bool> over = false;
    std::atomic<int> failed = 0, done = 0;
    std::thread dma([&, engine = Engine(**connected, engine(disk).base())]() mutable {
        while (!over) {
            if (!engine.read(reserved + page, few)) ++failed;
            ++done;
        }
    });
    start(all);
    over = true;
    dma.join();
    EXPECT_GT(done, 0);
    EXPECT_EQ(failed, 0) << "of " << done;
    expect_contained();
    EXPECT_TRUE(writes(disk, reserved));
    EXPECT_FALSE(writes(network, reserved));
    const auto now = status();
    ASSERT_EQ(now.units.size(), 1u);
    EXPECT_THAT(now.units.front().found, HasSubstr("own"));
    expect_drivers_work(network);
    EXPECT_EQ(service().end(SIGTERM), 0);
    EXPECT_TRUE(writes(disk, reserved)) << "an orderly stop keeps it";
    expect_contained();
}

// What somebody else writes into the unit is seen, and undone.
TEST_F(ModelMmu500, ARegisterThatSomebodyElseChanged) {
    open();
    start();
    EXPECT_FALSE(writes(stranger, memory));
    link().write({unit}, 4, 0);  // what nobody has passes
    EXPECT_TRUE(eventually([&] { return !writes(stranger, memory); }));
    EXPECT_TRUE(eventually([&] { return service().said().find("sCR0") != std::string::npos; }))
        << service().said();
    expect_contained();
    expect_drivers_work(network);
}

TEST_F(ModelMmu500, AUnitThatNeverConfirmsIsNotReadyAndRefuses) {
    open("", R"(, "behaviour": {"never_syncs": true})");
    const Ran ran = run(board(), "smmuman", Service::words(board(), words()));
    EXPECT_EQ(ran.status, 4) << ran.output;
    EXPECT_THAT(ran.output, HasSubstr("NOT CONTAINED"));
    EXPECT_THAT(ran.output, HasSubstr("sTLBGSTATUS"));
    expect_contained();
    may_complain = true;  // it is made to refuse without waiting for what does not come
}

TEST_F(ModelMmu500, ItsOwnTablesAreEnough) {
    open();
    start_with({"smmu", "armsmmu"});
    expect_contained();
    expect_drivers_work(network);
    expect_drivers_work(stranger);
    expect_contained();
}

// Streams that no line names pass where a person says so, and no others.
TEST_F(ModelMmu500, UnknownStreamsPassWhereThatWasSaid) {
    open();
    start(words({}, "1,0x20"));
    EXPECT_TRUE(writes(stranger, memory));
    for (const unsigned index : {network, disk, pair}) EXPECT_FALSE(writes(index, memory)) << index;
    expect_drivers_work(network);
    EXPECT_TRUE(writes(stranger, memory));
}

TEST_F(ModelMmu500, BanksThatAreUsedUpAreAnError) {
    open(R"("banks": 2, "stage2_banks": 0)");
    start();
    ClientProcess client = driver();
    const Object first = own(client, network);
    const Object second = own(client, disk);
    ASSERT_TRUE(client.map(first, memory, page).done());
    const Object third = client.create();
    const Answer refused = add(client, third, pair);
    EXPECT_TRUE(refused.failed_with(ENOSPC)) << testing::PrintToString(refused);
    EXPECT_THAT(refused.text, HasSubstr("all 2 context banks"));
    EXPECT_FALSE(writes(pair, memory));
    EXPECT_TRUE(writes(network, memory));
    ASSERT_TRUE(client.destroy(second).done());
    ASSERT_TRUE(add(client, third, pair).done());
    ASSERT_TRUE(client.map(third, memory + page, page).done());
    EXPECT_TRUE(writes(pair, memory + page));
    EXPECT_FALSE(writes(pair, memory));
}

}  // namespace
}  // namespace smmu::test
