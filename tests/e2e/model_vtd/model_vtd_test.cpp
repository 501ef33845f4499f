// SPDX-License-Identifier: Apache-2.0
// The service on VT-d units that QEMU does not have. The model complains of whatever the
// specification forbids; every test ends with a log without complaints.
#include "tests/e2e/model_vtd/model_room.hpp"

namespace smmu::test {
namespace {

class ModelVtd : public ModelRoom {
protected:
    void expect_works_on(const std::string& features, const std::string& further = "") {
        open_one(features, further);
        start();
        expect_contained();
        expect_drivers_work();
        expect_drivers_work(q35::edu_behind_port);
        expect_contained();
        EXPECT_EQ(room().service().end(SIGTERM), 0);
        expect_contained();
    }
};

TEST_F(ModelVtd, TwoUnitsEachWithItsDevices) {
    open_two("");
    start();
    EXPECT_EQ(status(first_unit) >> 31, 1u);
    EXPECT_EQ(status(second_unit) >> 31, 1u);
    expect_contained();
    expect_drivers_work(q35::edu_a);
    expect_drivers_work(q35::edu_b);
    expect_drivers_work(q35::edu_behind_port);
    // One object over both.
    ClientProcess driver = room().driver();
    const Object object = driver.own(q35::edu_a);
    ASSERT_TRUE(driver.add(object, q35::edu_b).done());
    ASSERT_TRUE(driver.map(object, memory_base, page).done());
    EXPECT_TRUE(room().writes(room().a(), memory_base));
    EXPECT_TRUE(room().writes(room().b(), memory_base));
    ASSERT_TRUE(driver.unmap(object, memory_base, page).done());
    EXPECT_FALSE(room().writes(room().a(), memory_base));
    EXPECT_FALSE(room().writes(room().b(), memory_base));
    EXPECT_EQ(room().service().end(SIGTERM), 0);
    expect_contained();
}

TEST_F(ModelVtd, FourUnitsOfFourKinds) {
    open(R"([{"scopes": ["0:3.0"], "features": {"write_buffer": true}},
             {"base": "0xfed91000", "scopes": ["0:4.0"], "features": {"queued": false}},
             {"base": "0xfed92000", "scopes": ["below 0:5.0"],
              "features": {"sagaw": 2, "mgaw": 39, "page_selective": false}},
             {"base": "0xfed93000", "takes_all": true,
              "features": {"caching_mode": true, "large_pages": 3, "mamv": 18}}])");
    start();
    for (std::uint64_t i = 0; i < 4; ++i) EXPECT_EQ(status(first_unit + i * page) >> 31, 1u);
    expect_contained();
    const std::array functions = {q35::edu_a, q35::edu_b, q35::edu_behind_port};
    for (const Function function : functions) expect_drivers_work(function);
    // One object over three of them.
    ClientProcess driver = room().driver();
    const Object object = driver.create();
    for (const Function function : functions) ASSERT_TRUE(driver.add(object, function).done());
    for (int round = 0; round < 3; ++round) {
        ASSERT_TRUE(driver.map(object, memory_base, 4u << 20).done());
        for (const Function function : functions)
            EXPECT_TRUE(room().writes(room().edu(function), memory_base + (3u << 20)));
        ASSERT_TRUE(driver.unmap(object, memory_base, 4u << 20).done());
        for (const Function function : functions)
            EXPECT_FALSE(room().writes(room().edu(function), memory_base + (3u << 20)));
    }
}

TEST_F(ModelVtd, FourFaultRegistersAreAllRead) {
    open_one(R"("fault_registers": 4)");
    start();
    for (const Function function : {q35::edu_a, q35::edu_b, q35::edu_behind_port})
        room().stray(room().edu(function), memory_base);
    for (const Function function : {q35::edu_a, q35::edu_b, q35::edu_behind_port})
        EXPECT_TRUE(eventually([&] { return refused(function) != 0; }));
    // More than there are registers: the overflow is cleared, and later ones are recorded again.
    for (unsigned i = 0; i < 10; ++i) room().stray(room().a(), memory_base + i * page);
    const auto before = refused(q35::edu_b);
    EXPECT_TRUE(eventually([&] {
        room().stray(room().b(), memory_base);
        return refused(q35::edu_b) > before;
    }));
}

TEST_F(ModelVtd, WriteBuffer) {
    expect_works_on(R"("write_buffer": true)");
}

TEST_F(ModelVtd, CachingMode) {
    expect_works_on(R"("caching_mode": true)");
}

TEST_F(ModelVtd, CachingModeWithAWriteBufferWithoutPageInvalidation) {
    expect_works_on(R"("caching_mode": true, "write_buffer": true, "page_selective": false)");
}

TEST_F(ModelVtd, SettingTheRootInvalidates) {
    expect_works_on(R"("srtp_invalidates": true)");
}

TEST_F(ModelVtd, AbortModeIsThere) {
    expect_works_on(R"("srtp_invalidates": true, "abort_mode": true, "major": 6)");
}

TEST_F(ModelVtd, LargePagesAndFewDomains) {
    expect_works_on(R"("large_pages": 3, "mamv": 18, "domain_bits": 4)");
}

TEST_F(ModelVtd, ThreeLevelsOnly) {
    expect_works_on(R"("sagaw": 2, "mgaw": 39)");
}

TEST_F(ModelVtd, FiveLevelsOnly) {
    expect_works_on(R"("sagaw": 8, "mgaw": 57)");
}

TEST_F(ModelVtd, FewerAddressBitsThanLevels) {
    expect_works_on(R"("mgaw": 42)");
}

TEST_F(ModelVtd, WithoutTheQueue) {
    expect_works_on(R"("queued": false)");
}

TEST_F(ModelVtd, CommandsTakeTheirTime) {
    expect_works_on("", R"(, "acknowledge_delay": 20)");
}

TEST_F(ModelVtd, WithoutSnoopingWalks) {
    expect_works_on(R"("coherent": false)");
}

TEST_F(ModelVtd, SnoopControl) {
    expect_works_on(R"("snoop_control": true, "pass_through": true)");
}

TEST_F(ModelVtd, InterruptRemappingIsThere) {
    expect_works_on(R"("interrupt_remapping": true, "x2apic": true, "sirtp_invalidates": true)");
}

TEST_F(ModelVtd, ScalableUnits) {
    expect_works_on(
        R"("scalable": true, "second_stage": true, "rid_pasid": true, "walk_snoop": true,
           "major": 6, "srtp_invalidates": true)");
}

// A device that sends translated requests, or such with a PASID, gets nowhere with them.
TEST_F(ModelVtd, ADeviceCannotPassTheTables) {
    open_one(R"("device_tlb": true, "fault_registers": 8)");
    start();
    Edu rogue(room().link(), {3, 0});
    ASSERT_TRUE(rogue.present());
    for (const std::uint64_t attributes : {0u, 1u, 2u, 3u, 8u}) {
        room().link().write(rogue.registers().first + 0xa0, 8, attributes);
        room().ram().fill({memory_base}, page, 0x77);
        rogue.bus_master(true);
        EXPECT_TRUE(rogue.dma_out({memory_base}, page));
        EXPECT_TRUE(room().all(memory_base, page, 0x77)) << attributes;
    }
    expect_drivers_work();
}

TEST_F(ModelVtd, AStormOfOneDeviceHidesNobodyElse) {
    open_one(R"("fault_registers": 2)");
    start();
    room().a().bus_master(true);
    room().link().write(room().a().registers().first + 0xb0, 8, memory_base);
    room().link().write(room().a().registers().first + 0xb8, 8, 100'000);
    EXPECT_TRUE(eventually([&] { return refused(q35::edu_a) != 0; }));
    EXPECT_TRUE(eventually([&] {
        room().stray(room().b(), memory_base);
        return refused(q35::edu_b) != 0;
    }));
    expect_drivers_work(q35::edu_b);
}

// A predecessor's tables, or none at all: a unit that translates already is taken over.
TEST_F(ModelVtd, AUnitThatFirmwareLeftInAbortMode) {
    open_one(R"("srtp_invalidates": true, "abort_mode": true, "major": 6)");
    link::Client& link = room().link();
    link.write({first_unit + 0x20}, 8, 3 << 10);
    link.write({first_unit + 0x18}, 4, 1u << 30);
    link.write({first_unit + 0x18}, 4, 1u << 31);
    ASSERT_EQ(status(first_unit) >> 31, 1u);
    expect_contained();
    start();
    expect_contained();
    expect_drivers_work();
}

TEST_F(ModelVtd, ReservedMemoryStaysOpenToItsDevice) {
    constexpr std::uint64_t reserved = 0x80'0000;
    open_two(R"("caching_mode": true)");
    start({"smmu", "vtd", "device", "pci:0:4.0", "reserved", "800000,64K"});
    EXPECT_TRUE(room().writes(room().b(), reserved));
    EXPECT_FALSE(room().writes(room().a(), reserved));
    EXPECT_FALSE(room().writes(room().b(), reserved + 0x10000));
    expect_drivers_work();
}

// Old units protect only from what nobody translates, new ones from all.
class ModelVtdProtected : public ModelRoom, public testing::WithParamInterface<int> {};
TEST_P(ModelVtdProtected, MemoryThatAPredecessorLeftProtectedBecomesUsable) {
    open_one(fmt::format(
        R"("low_protected": true, "high_protected": true, "major": {}, "srtp_invalidates": true)",
        GetParam()));
    link::Client& link = room().link();
    link.write({first_unit + 0x68}, 4, 0);
    link.write({first_unit + 0x6c}, 4, 0x0fffffff);
    link.write({first_unit + 0x64}, 4, 1u << 31);
    ASSERT_EQ(link.read({first_unit + 0x64}, 4) & 1, 1u);
    EXPECT_FALSE(room().writes(room().a(), memory_base));
    start();
    expect_contained();
    expect_drivers_work();
}
INSTANTIATE_TEST_SUITE_P(Versions, ModelVtdProtected, testing::Values(1, 6));

// By the bit of the global command.
class ModelVtdMute : public ModelRoom, public testing::WithParamInterface<unsigned> {};
TEST_P(ModelVtdMute, AUnitThatNeverAcknowledgesIsNotReadyAndTheOtherOneRefuses) {
    open_two("", fmt::format(R"(, "never_acknowledged": {})", 1u << GetParam()));
    const Ran ran = run(room().board(), "smmuman", Service::words(room().board(), {"smmu", "vtd"}));
    EXPECT_EQ(ran.status, 4) << ran.output;
    EXPECT_THAT(ran.output, testing::HasSubstr("NOT CONTAINED"));
    // The last attempts to stop a unit that does not answer are not held against the service.
    may_complain = true;
    EXPECT_THAT(log(), testing::Not(testing::HasSubstr("COMPLAINT: unit 1")));
    EXPECT_EQ(status(second_unit) >> 31, 1u);
    EXPECT_FALSE(room().writes(room().a(), memory_base));
}
constexpr unsigned translation = 31, root = 30, queue = 26;
INSTANTIATE_TEST_SUITE_P(Bits, ModelVtdMute, testing::Values(translation, root, queue));

TEST_F(ModelVtd, AServiceAfterAServiceThatWasKilled) {
    open_two(R"("caching_mode": true, "fault_registers": 2)");
    start();
    ClientProcess driver = room().driver();
    const Object object = driver.own(q35::edu_a);
    ASSERT_TRUE(driver.map(object, memory_base, page).done());
    EXPECT_TRUE(room().writes(room().a(), memory_base));
    room().service().end(SIGKILL);
    driver.kill_now();
    start();
    expect_contained();
    expect_drivers_work();
    expect_drivers_work(q35::edu_b);
}

}  // namespace
}  // namespace smmu::test
