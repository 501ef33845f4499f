// SPDX-License-Identifier: Apache-2.0
// A function's reset: in steps that never wait, with deadlines, and everything put back but bus
// mastering.
#include "pci/function_reset.hpp"

#include <gtest/gtest.h>

#include "fake_config.hpp"

namespace smmu::pci {
namespace {

using test::FakeConfig;
constexpr topology::PciAddress where{0, 0, 3, 0};
constexpr Nanoseconds period = std::chrono::milliseconds(5);

class Reset : public ::testing::Test {
public:
    FakeConfig::Function& add_resettable() {
        auto& function = config.add(where);
        FakeConfig::make_express(function, 0);
        function.set32(0x44, 1u << 28);
        function.let_write(0x49, 1);
        function.set16(4, 6);
        return function;
    }
    // What a reset does to a function: it forgets what it was given.
    void let_forget(FakeConfig::Function& function) {
        config.written = [this, &function](platform::PciFunction, std::uint16_t offset, std::uint32_t value) {
            if (offset != 0x48 || (value & 1u << 15) == 0) return;
            ++resets;
            for (const unsigned at : {0x10u, 0x14u, 0x18u, 0x1cu, 0x20u, 0x24u, 0x30u})
                function.set32(at, at == 0x30 ? 0 : function.get32(at) & 0xf);  // what a BAR is stays
            function.set16(4, 0);
            function.bytes[0x0c] = function.bytes[0x3c] = 0;
            function.set16(0x106, 0);
        };
    }
    Result<void> run(const topology::PciAddress& address = where) {
        FunctionReset reset(config, address);
        for (;;) {
            if (auto outcome = reset.advance(now)) return *outcome;
            now += period;
            if (passed) passed();
        }
    }
    FakeConfig config;
    Instant now{};
    std::function<void()> passed;
    int resets = 0;
};

TEST_F(Reset, ByExpress) {
    auto& function = add_resettable();
    function.set16(0x48, 0x2810);
    std::uint32_t value = 0;
    config.written = [&](platform::PciFunction, std::uint16_t offset, std::uint32_t written) {
        if (offset == 0x48) value = written;
    };
    EXPECT_TRUE(run());
    EXPECT_EQ(value, 0xa810u);  // the other control bits stay
    EXPECT_EQ(function.get32(4) & 4, 0u);
    EXPECT_GE(now.time_since_epoch(), reset_time);
}

TEST_F(Reset, ByAdvancedFeatures) {
    auto& function = config.add(where);
    function.capability(0x13, 0x60);
    function.bytes[0x63] = 3;
    bool reset = false;
    config.written = [&](platform::PciFunction, std::uint16_t offset, std::uint32_t) {
        reset = reset || offset == 0x64;
    };
    EXPECT_TRUE(run());
    EXPECT_TRUE(reset);
}

TEST_F(Reset, NothingIsTouchedBeforeTheFirstStepAndNoStepGoesFurtherThanItMay) {
    auto& function = add_resettable();
    let_forget(function);
    function.set16(0x4a, 1 << 5);  // a request is under way
    FunctionReset reset(config, where);
    EXPECT_EQ(config.writes, 0u);
    EXPECT_FALSE(reset.advance(now));
    EXPECT_EQ(function.get32(4) & 4, 0u) << "bus mastering goes off first";
    EXPECT_FALSE(reset.advance(now));
    EXPECT_EQ(resets, 0);
    EXPECT_FALSE(reset.initiated());
    function.set16(0x4a, 0);
    EXPECT_FALSE(reset.advance(now));
    EXPECT_EQ(resets, 1);
    EXPECT_TRUE(reset.initiated());
    const unsigned trips = config.trips;
    EXPECT_FALSE(reset.advance(now + reset_time - period));
    EXPECT_EQ(config.trips, trips) << "nothing is asked of a function in its reset";
    const auto outcome = reset.advance(now + reset_time);
    ASSERT_TRUE(outcome.has_value());
    EXPECT_TRUE(*outcome);
}

TEST_F(Reset, WaitsForPendingRequestsOnlySoLong) {
    add_resettable().set16(0x4a, 1 << 5);
    EXPECT_TRUE(run());
    EXPECT_GE(now.time_since_epoch(), pending_deadline);
    EXPECT_LT(now.time_since_epoch(), pending_deadline + reset_deadline);
}

TEST_F(Reset, ThatNeedsTimeAndThatNeverEnds) {
    add_resettable();
    config.written = [&](platform::PciFunction, std::uint16_t offset, std::uint32_t) {
        if (offset == 0x48) config.gone[where] = true;
    };
    passed = [&] {
        if (now.time_since_epoch() > std::chrono::milliseconds(500)) config.gone.clear();
    };
    EXPECT_TRUE(run());
    passed = nullptr;
    const Instant before = now;
    const auto ended = run();
    ASSERT_FALSE(ended);
    EXPECT_EQ(ended.error().code, ETIMEDOUT);
    EXPECT_LE(now - before, reset_deadline + reset_time);
}

TEST_F(Reset, PutsBackWhatTheFunctionHeldButBusMastering) {
    auto& function = add_resettable();
    function.let_write(0x0c, 1);
    function.let_write(0x10, 24);
    function.let_write(0x30, 4);
    function.let_write(0x3c, 1);
    function.set16(4, 0x0546);
    function.bytes[0x0c] = 0x10;
    function.set32(0x10, 0xfebf000c);
    function.set32(0x14, 0x00000001);
    function.set32(0x24, 0x0000c041);
    function.set32(0x30, 0xfea00001);
    function.set16(0x3c, 0x010b);
    FakeConfig::give_access_control(function, 0x1f);
    function.set16(0x106, 0x1d);
    const auto before = function.bytes;
    let_forget(function);
    std::uint16_t last = 0;
    const auto forget = config.written;
    config.written = [&](platform::PciFunction f, std::uint16_t offset, std::uint32_t value) {
        forget(f, offset, value);
        if ((value & 2) != 0 || offset != 4) last = offset;
    };
    EXPECT_TRUE(run());
    EXPECT_EQ(resets, 1);
    auto expected = before;
    expected[4] = std::uint8_t(before[4] & ~4u);
    function.bytes[0x49] = before[0x49];  // the reset bit itself
    EXPECT_EQ(function.bytes, expected);
    EXPECT_EQ(last, 4) << "memory decode comes when the addresses are there";
}

TEST_F(Reset, SaysWhatDoesNotComeBack) {
    auto& function = add_resettable();
    function.set32(0x18, 0xfebf0000);  // cannot be written
    let_forget(function);
    const auto outcome = run();
    ASSERT_FALSE(outcome);
    EXPECT_EQ(outcome.error().code, EIO);
    EXPECT_NE(outcome.error().text.find("register 0x18"), std::string::npos) << outcome.error().text;
    EXPECT_EQ(function.get32(4) & 4, 0u);
}

TEST_F(Reset, Errors) {
    config.add(where);
    EXPECT_EQ(run().error().code, ENOTSUP);
    EXPECT_EQ(run({0, 0, 4, 0}).error().code, ENXIO);
    add_resettable().bytes[0x0e] = 1;
    EXPECT_EQ(run().error().code, ENOTSUP) << "a bridge leads to others";
    EXPECT_EQ(config.writes, 0u);
}

TEST_F(Reset, BusMasteringThatStaysOnIsEIO) {
    add_resettable().writable.assign(4096, false);
    EXPECT_EQ(run().error().code, EIO);
}

}  // namespace
}  // namespace smmu::pci
