// SPDX-License-Identifier: Apache-2.0
// Discovery: what the registers say becomes capabilities, or a refusal in words; nothing is
// written.
#include "bench.hpp"

namespace bench {
namespace {

Result<void> opened(const silicon::Parameters& parameters,
                    units::Capabilities* capabilities = nullptr) {
    silicon::Unit unit(parameters);
    Instance service(unit);
    auto result = service.open();
    EXPECT_TRUE(unit.writes.empty());
    if (result && capabilities != nullptr) *capabilities = service.iommu->capabilities();
    return result;
}

TEST(Discovery, UsualUnit) {
    units::Capabilities capabilities;
    ASSERT_TRUE(opened({}, &capabilities));
    EXPECT_EQ(capabilities.input_bits, 48u);
    EXPECT_EQ(capabilities.output_bits, 46u);
    EXPECT_EQ(capabilities.leaf_sizes, 1ull << 12 | 1ull << 21 | 1ull << 30);
    EXPECT_TRUE(capabilities.coherent && capabilities.drains && capabilities.interrupt_remapping);
    EXPECT_FALSE(capabilities.write_implies_read);
    EXPECT_EQ(capabilities.never_grantable, (IovaRange{{0xfee0'0000}, {0xfeef'ffff}}));
}

TEST(Discovery, WidthsFollowWhatIsSupported) {
    units::Capabilities capabilities;
    ASSERT_TRUE(opened({.guest_width = 48, .supported_widths = 0b00010}, &capabilities));
    EXPECT_EQ(capabilities.input_bits, 39u);
    ASSERT_TRUE(opened({.guest_width = 57, .supported_widths = 0b01000}, &capabilities));
    EXPECT_EQ(capabilities.input_bits, 57u);
    ASSERT_TRUE(opened({.guest_width = 57, .supported_widths = 0b01110}, &capabilities));
    EXPECT_EQ(capabilities.input_bits, 57u);
    ASSERT_TRUE(opened({.guest_width = 57, .supported_widths = 0b00110}, &capabilities));
    EXPECT_EQ(capabilities.input_bits, 48u);
    ASSERT_TRUE(opened({.guest_width = 39, .supported_widths = 0b01110}, &capabilities));
    EXPECT_EQ(capabilities.input_bits, 39u);
    // The guest width may be less than the walk's.
    ASSERT_TRUE(opened({.guest_width = 42, .supported_widths = 0b00100}, &capabilities));
    EXPECT_EQ(capabilities.input_bits, 42u);
    ASSERT_TRUE(opened({.large_pages = 1}, &capabilities));
    EXPECT_EQ(capabilities.leaf_sizes, 1ull << 12 | 1ull << 21);
    // Large pages without the ones between are not legal: only small ones are used.
    ASSERT_TRUE(opened({.large_pages = 2}, &capabilities));
    EXPECT_EQ(capabilities.leaf_sizes, 1ull << 12);
}

// Four levels only, and addresses that three would do for: common.
TEST(Discovery, WalksThatAreLongerThanTheAddressesNeed) {
    for (const unsigned width : {30u, 36u, 39u, 40u}) {
        SCOPED_TRACE(width);
        Bench bench({.guest_width = width, .supported_widths = 0b00100});
        ASSERT_TRUE(bench.take_over());
        EXPECT_TRUE(bench.passes(nic, 0x5000));
        const std::uint64_t last = (1ull << width) - page;
        ASSERT_TRUE(map(*bench.first, last, 0x7000'6000, page));
        EXPECT_TRUE(bench.passes(nic, last));
        EXPECT_EQ(map(*bench.first, last + page, 0x7000'7000, page).error().code, ERANGE);
        bench.end();
    }
}

TEST(Discovery, UnusableUnitsAreRefusedInWords) {
    auto no_width = opened({.supported_widths = 0b00001});
    ASSERT_FALSE(no_width);
    EXPECT_EQ(no_width.error().code, ENOTSUP);
    EXPECT_NE(no_width.error().text.find("vtd@fed90000: CAP.SAGAW is 0x1"), std::string::npos);
    EXPECT_FALSE(opened({.guest_width = 20}));
    EXPECT_FALSE(opened({.domains_code = 7}));
    EXPECT_FALSE(opened({.version = 0x60, .queued = false}));
    EXPECT_FALSE(opened({.invalidation_offset = 0, .queued = false}));
}

TEST(Discovery, NothingThere) {
    silicon::Unit unit({});
    unit.gone = true;
    Instance service(unit);
    auto result = service.open();
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, ENXIO);
    EXPECT_EQ(service.account->held, 0u);
}

TEST(Discovery, WindowGrowsToTheRegistersThatTheUnitNames) {
    silicon::Unit unit({.fault_records = 16, .fault_offset = 0x1f80});
    Instance service(unit);
    ASSERT_TRUE(service.open());
    ASSERT_EQ(service.machine.mapped.size(), 2u);
    EXPECT_EQ(service.machine.mapped[0].length(), 0x1000u);
    EXPECT_EQ(service.machine.mapped[1].length(), 0x1f80u + 16 * 16);
}

TEST(Discovery, ReportNamesRegistersAndFields) {
    Bench bench;
    const units::UnitReport report = bench.iommu().report();
    EXPECT_EQ(report.kind, "vtd");
    EXPECT_EQ(report.version, "1.0");
    EXPECT_EQ(report.found, units::Found::off);
    EXPECT_EQ(report.state, units::UnitState::untouched);
    EXPECT_EQ(report.spaces, 1u);
    EXPECT_EQ(report.spaces_possible, 65'534u);
    const auto has = [&](const std::string& name, std::uint64_t value) {
        for (const auto& line : report.registers)
            if (line.first == name) return line.second == value;
        return false;
    };
    EXPECT_TRUE(has("CAP", silicon::Parameters{}.capability()));
    EXPECT_TRUE(has("CAP.ND", 6));
    EXPECT_TRUE(has("GSTS.TES", 0));
    EXPECT_TRUE(has("IQA.QS", 0));
    bench.end();
}

TEST(DomainIds, RunOutInWordsAndComeBack) {
    Bench bench({.domains_code = 0});
    ASSERT_TRUE(bench.take_over());
    std::vector<std::unique_ptr<units::AddressSpace>> more;
    for (int i = 0; i < 13; ++i) more.push_back(bench.service.space());
    auto none = bench.iommu().create_space(*bench.service.account);
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().code, ENOSPC);
    EXPECT_NE(none.error().text.find("15 domain ids"), std::string::npos);
    const std::size_t before = bench.unit.commands.size();
    bench.service.retire(more.back());
    more.pop_back();
    // Both caches forgot the id, in this order, before it can come again.
    ASSERT_GE(bench.unit.commands.size(), before + 4);
    EXPECT_TRUE(bench.unit.commands[before].starts_with("context domain "));
    EXPECT_EQ(bench.unit.commands[before + 1], "wait fence");
    EXPECT_TRUE(bench.unit.commands[before + 2].starts_with("iotlb domain "));
    EXPECT_EQ(bench.unit.commands[before + 3], "wait");
    more.push_back(bench.service.space());
    for (auto& space : more) bench.service.retire(space);
    bench.end();
}

}  // namespace
}  // namespace bench
