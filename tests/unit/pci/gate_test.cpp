// SPDX-License-Identifier: Apache-2.0
// The gate: access control on, translation services off, what does not follow is said; bus master
// off and reset.
#include "pci/gate.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "fake_config.hpp"
#include "pci/enumerate.hpp"

namespace smmu::pci {
namespace {

using test::FakeConfig;
using topology::PciAddress;
using topology::PciTree;

class FakeClock final : public Clock {
public:
    Instant now() noexcept override { return now_; }
    void pause(Nanoseconds time) noexcept override {
        now_ += time;
        if (passed) passed(now_);
    }
    std::function<void(Instant)> passed;

private:
    Instant now_{};
};

PciTree gated(FakeConfig& config) {
    const std::vector<platform::EcamWindow> windows{{0, 0, 0, 255}};
    auto tree = enumerate(config, windows);
    EXPECT_TRUE(tree);
    gate(config, *tree);
    return *tree;
}

bool has_finding(const PciTree& tree, std::string_view id) {
    return std::ranges::find(tree.findings, id, &topology::Finding::id) != tree.findings.end();
}

TEST(Gate, SetsWhatIsSupportedAndNothingElse) {
    FakeConfig config;
    auto& port = config.add_bridge({0, 0, 1, 0}, 1, 1);
    FakeConfig::make_express(port, 4);
    FakeConfig::give_access_control(port, 0x7f);
    port.set16(0x106, 0x60);  // egress control and direct translated: on before us
    auto& partly = config.add_bridge({0, 0, 2, 0}, 2, 2);
    FakeConfig::make_express(partly, 4);
    FakeConfig::give_access_control(partly, 0x05);
    const PciTree tree = gated(config);
    EXPECT_TRUE(tree.gated);
    EXPECT_EQ(tree.functions[0].access_control.enabled, 0x1f);
    EXPECT_EQ(tree.functions[1].access_control.enabled, 0x05);
    EXPECT_TRUE(tree.findings.empty());
}

TEST(Gate, SaysWhatDoesNotKeep) {
    FakeConfig config;
    auto& port = config.add_bridge({0, 0, 1, 0}, 1, 1);
    FakeConfig::make_express(port, 4);
    FakeConfig::give_access_control(port, 0x1f, 0x1e);
    const PciTree tree = gated(config);
    EXPECT_EQ(tree.functions[0].access_control.enabled, 0x1e);
    EXPECT_TRUE(has_finding(tree, "pci-acs-refused"));
}

void give_services(FakeConfig::Function& function, bool keeps) {
    FakeConfig::make_express(function, 0);
    function.extended(0x0f, 0x100, 0x140);
    function.set16(0x106, 0x8003);  // enable, and a smallest unit that stays
    function.extended(0x13, 0x140, 0x180);
    function.set16(0x144, 1);
    function.extended(0x1b, 0x180, 0);
    function.set16(0x186, 7);
    if (keeps) return;
    function.let_write(0x106, 2);
    function.let_write(0x144, 2);
    function.let_write(0x186, 2);
}

TEST(Gate, TurnsTranslationServicesOff) {
    FakeConfig config;
    auto& function = config.add({0, 0, 3, 0});
    give_services(function, false);
    const PciTree tree = gated(config);
    EXPECT_FALSE(tree.functions[0].ats.enabled);
    EXPECT_FALSE(tree.functions[0].page_request.enabled);
    EXPECT_FALSE(tree.functions[0].pasid.enabled);
    EXPECT_EQ(function.get32(0x104) >> 16, 3u);
    EXPECT_EQ(function.get32(0x184) >> 16, 6u);
    EXPECT_TRUE(tree.findings.empty());
}

TEST(Gate, SaysWhenTheyStayOn) {
    FakeConfig config;
    give_services(config.add({0, 0, 3, 0}), true);
    EXPECT_TRUE(has_finding(gated(config), "pci-translation-service-on"));
}

TEST(BusMaster, GoesOffAndOnlyThatBit) {
    FakeConfig config;
    auto& function = config.add({0, 0, 3, 0});
    function.set32(4, 0xf9000407);
    EXPECT_TRUE(bus_master_off(config, {0, 0, 3, 0}));
    EXPECT_EQ(function.get32(4), 0xf9000403u);
    const unsigned before = config.writes;
    EXPECT_TRUE(bus_master_off(config, {0, 0, 3, 0}));
    EXPECT_EQ(config.writes, before);
    EXPECT_TRUE(bus_master_off(config, {0, 0, 9, 0}));  // not there
}

TEST(BusMaster, SaysWhenItStaysOn) {
    FakeConfig config;
    auto& function = config.add({0, 0, 3, 0});
    function.set32(4, 4);
    function.writable.assign(4096, false);
    EXPECT_FALSE(bus_master_off(config, {0, 0, 3, 0}));
}

FakeConfig::Function& add_resettable(FakeConfig& config) {
    auto& function = config.add({0, 0, 3, 0});
    FakeConfig::make_express(function, 0);
    function.set32(0x44, 1u << 28);
    function.set16(4, 6);
    return function;
}

TEST(Reset, ByExpress) {
    FakeConfig config;
    FakeClock clock;
    auto& function = add_resettable(config);
    function.set16(0x48, 0x2810);
    std::uint32_t value = 0;
    config.written = [&](platform::PciFunction, std::uint16_t offset, std::uint32_t written) {
        if (offset == 0x48) value = written;
    };
    EXPECT_TRUE(function_reset(config, clock, {0, 0, 3, 0}));
    EXPECT_EQ(value, 0xa810u);  // the other control bits stay
    EXPECT_EQ(function.get32(4) & 4, 0u);
    EXPECT_GE(clock.now().time_since_epoch(), reset_time);
}

TEST(Reset, ByAdvancedFeatures) {
    FakeConfig config;
    FakeClock clock;
    auto& function = config.add({0, 0, 3, 0});
    function.capability(0x13, 0x60);
    function.bytes[0x63] = 3;
    std::uint16_t where = 0;
    config.written = [&](platform::PciFunction, std::uint16_t offset, std::uint32_t) {
        where = offset;
    };
    EXPECT_TRUE(function_reset(config, clock, {0, 0, 3, 0}));
    EXPECT_EQ(where, 0x64);
}

TEST(Reset, WaitsForPendingRequestsOnlySoLong) {
    FakeConfig config;
    FakeClock clock;
    add_resettable(config).set16(0x4a, 1 << 5);
    EXPECT_TRUE(function_reset(config, clock, {0, 0, 3, 0}));
    EXPECT_GE(clock.now().time_since_epoch(), pending_deadline);
    EXPECT_LT(clock.now().time_since_epoch(), pending_deadline + reset_deadline);
}

TEST(Reset, ThatNeedsTimeAndThatNeverEnds) {
    FakeConfig config;
    FakeClock clock;
    add_resettable(config);
    config.written = [&](platform::PciFunction, std::uint16_t offset, std::uint32_t) {
        if (offset == 0x48) config.gone[{0, 0, 3, 0}] = true;
    };
    clock.passed = [&](Instant now) {
        if (now.time_since_epoch() > std::chrono::milliseconds(500)) config.gone.clear();
    };
    EXPECT_TRUE(function_reset(config, clock, {0, 0, 3, 0}));
    clock.passed = nullptr;
    const Instant before = clock.now();
    const auto ended = function_reset(config, clock, {0, 0, 3, 0});
    ASSERT_FALSE(ended);
    EXPECT_EQ(ended.error().code, ETIMEDOUT);
    EXPECT_LE(clock.now() - before, reset_deadline + reset_time);
}

TEST(Reset, Errors) {
    FakeConfig config;
    FakeClock clock;
    config.add({0, 0, 3, 0});
    EXPECT_EQ(function_reset(config, clock, {0, 0, 3, 0}).error().code, ENOTSUP);
    EXPECT_EQ(function_reset(config, clock, {0, 0, 4, 0}).error().code, ENXIO);
    FakeConfig stubborn;
    add_resettable(stubborn).writable.assign(4096, false);
    EXPECT_EQ(function_reset(stubborn, clock, {0, 0, 3, 0}).error().code, EIO);
}

}  // namespace
}  // namespace smmu::pci
