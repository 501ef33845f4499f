// SPDX-License-Identifier: Apache-2.0
// Reserved regions: what firmware says a device must always reach, beside a device without any.
#include <fmt/format.h>

#include "tests/e2e/machine_room.hpp"

namespace smmu::test {
namespace {

constexpr std::uint64_t in_ram = 0x600'0000, outside_ram = 0x2000'0000;
constexpr std::uint64_t region_bytes = 2 * page;

template <class T>
void append(std::vector<std::uint8_t>& table, T value) {
    for (std::size_t i = 0; i < sizeof value; ++i)
        table.push_back(std::uint8_t(std::uint64_t{value} >> 8 * i));
}

// A reserved region for 0000:00:03.0, in the form of the manual's chapter 8.4.
void append_region(std::vector<std::uint8_t>& table, std::uint64_t base) {
    append<std::uint16_t>(table, 1);
    append<std::uint16_t>(table, 32);
    append<std::uint32_t>(table, 0);  // segment 0
    append<std::uint64_t>(table, base);
    append<std::uint64_t>(table, base + region_bytes - 1);
    const std::uint8_t endpoint[] = {1, 8, 0, 0, 0, 0, 3, 0};
    table.insert(table.end(), std::begin(endpoint), std::end(endpoint));
}

// The board's own table with two regions more, as an option of smmu-board.
std::vector<std::string> replaced_table() {
    auto board = BoardProcess::start("q35-vtd");
    if (!board) throw std::runtime_error(board.error().text);
    auto client = (*board)->connect();
    auto tables = (*client)->firmware_tables();
    std::vector<std::uint8_t> dmar;
    for (const auto& table : *tables)
        if (table.name == "DMAR")
            for (const auto byte : table.bytes) dmar.push_back(std::uint8_t(byte));
    append_region(dmar, in_ram);
    append_region(dmar, outside_ram);
    for (std::size_t i = 0; i < 4; ++i) dmar[4 + i] = std::uint8_t(dmar.size() >> 8 * i);
    dmar[9] = 0;
    unsigned sum = 0;
    for (const std::uint8_t byte : dmar) sum += byte;
    dmar[9] = std::uint8_t(0u - sum);
    std::string option = "--replace-table=DMAR=hex:";
    for (const std::uint8_t byte : dmar) option += fmt::format("{:02x}", byte);
    return {option};
}

// The region in RAM is confirmed by a clause; the other one needs none.
class ReservedRegions : public SharedRoom<ReservedRegions> {
public:
    static std::vector<std::string> board_options() { return replaced_table(); }
    static std::vector<std::string> words() {
        return {"smmu",   "vtd",       "combine",  "merge",
                "device", "pci:0:3.0", "reserved", fmt::format("{:x},{}", in_ram, region_bytes)};
    }
};

TEST_F(ReservedRegions, TheDeviceReachesItsRegionWithoutAnOwner) {
    EXPECT_TRUE(room().writes(room().a(), in_ram));
    EXPECT_TRUE(room().writes(room().a(), in_ram + page));
    EXPECT_FALSE(room().writes(room().a(), in_ram + 2 * page));
    EXPECT_FALSE(room().writes(room().b(), in_ram));
}

TEST_F(ReservedRegions, ANeighbourInTheSameObjectDoesNotReachIt) {
    ClientProcess driver = room().driver();
    const Object object = driver.own(q35::edu_a);
    ASSERT_TRUE(driver.add(object, q35::edu_b).done());
    ASSERT_TRUE(driver.map(object, memory_base, page).done());
    for (Edu* edu : {&room().a(), &room().b()}) EXPECT_TRUE(room().writes(*edu, memory_base));
    EXPECT_TRUE(room().writes(room().a(), in_ram));
    EXPECT_FALSE(room().writes(room().b(), in_ram));
    EXPECT_TRUE(driver.destroy(object).done());
    EXPECT_TRUE(room().writes(room().a(), in_ram)) << "it stays when the object goes";
    EXPECT_FALSE(room().writes(room().a(), memory_base));
}

TEST_F(ReservedRegions, ARegionOutsideMemoryIsHonouredWithoutAClause) {
    ClientProcess driver = room().driver();
    const Object object = driver.own(q35::edu_a);
    ASSERT_TRUE(driver.add(object, q35::edu_b).done());
    EXPECT_TRUE(driver.events().empty());
    room().stray(room().a(), outside_ram);
    room().stray(room().b(), outside_ram);
    const smmu_event event = driver.next_event();
    EXPECT_EQ(event.stream, raw(q35::edu_b.stream())) << "only the neighbour is refused";
    EXPECT_EQ(event.address & ~(page - 1), outside_ram);
    usleep(150'000);
    EXPECT_TRUE(driver.events().empty());
}

TEST_F(ReservedRegions, AGrantOverTheRegionAddsPermissionsAndItsRemovalLeavesTheRegion) {
    ClientProcess driver = room().driver();
    const Object object = driver.own(q35::edu_a);
    ASSERT_TRUE(driver.map(object, in_ram, 4 * page).done());
    EXPECT_TRUE(room().writes(room().a(), in_ram + 3 * page));
    ASSERT_TRUE(driver.unmap(object, in_ram, 4 * page).done());
    EXPECT_TRUE(room().writes(room().a(), in_ram));
    EXPECT_TRUE(room().writes(room().a(), in_ram + page));
    EXPECT_FALSE(room().writes(room().a(), in_ram + 2 * page));
}

TEST_F(ReservedRegions, ATargetOverTheRegionMustKeepItsPhysicalAddress) {
    ClientProcess driver = room().driver();
    const Object object = driver.own(q35::edu_a);
    const Answer elsewhere = driver.map(object, in_ram, page, rw | SMF_TARGET, memory_base);
    EXPECT_TRUE(elsewhere.failed_with(EINVAL)) << testing::PrintToString(elsewhere);
    EXPECT_TRUE(driver.map(object, in_ram, page, rw | SMF_TARGET, in_ram).done());
    EXPECT_TRUE(room().writes(room().a(), in_ram));
    // And in the other order: the grants are there before the device.
    const Object other = driver.create();
    ASSERT_TRUE(driver.map(other, in_ram, page, rw | SMF_TARGET, memory_base).done());
    EXPECT_TRUE(driver.add(other, q35::edu_a).failed_with(EINVAL));
    EXPECT_TRUE(driver.add(other, q35::edu_b).done()) << "it has no such region";
    EXPECT_TRUE(room().writes(room().b(), in_ram, memory_base));
    EXPECT_TRUE(room().writes(room().a(), in_ram)) << "the refused move changed nothing";
}

TEST_F(ReservedRegions, ManualLeavesTheRegionOut) {
    ClientProcess driver = room().driver();
    const Object object = driver.own(q35::edu_a, SOCF_RESERVED_MANUAL);
    ASSERT_NE(object, nullptr);
    EXPECT_FALSE(room().writes(room().a(), in_ram));
    ASSERT_TRUE(driver.map(object, in_ram, page, rw | SMF_TARGET, memory_base).done())
        << "the client does what it wants with these addresses";
    EXPECT_TRUE(room().writes(room().a(), in_ram, memory_base));
    ASSERT_TRUE(driver.destroy(object).done());
    EXPECT_TRUE(room().writes(room().a(), in_ram)) << "back after it";
}

TEST_F(ReservedRegions, ReportListsThem) {
    ClientProcess driver = room().driver();
    auto* const entries = driver.shared<smmu_map_entry>();
    const auto report = [entries](Function device, unsigned offset, unsigned count) {
        return [=] {
            smmu_devid id{};
            id.pci = {SDT_PCI, device.bus, device.device, device.function};
            const unsigned filled = smmu_device_report_reserved(&id, offset, entries, count);
            return filled == ~0u ? -1L : long{filled};
        };
    };
    // One after the other, as the reference's loop does, and all at once.
    std::vector<std::pair<std::uint64_t, std::uint64_t>> all;
    while (driver.run(report(q35::edu_a, unsigned(all.size()), 1)).value == 1)
        all.emplace_back(entries->phys, entries->len);
    std::ranges::sort(all);
    const std::pair<std::uint64_t, std::uint64_t> first{in_ram, region_bytes};
    const std::pair<std::uint64_t, std::uint64_t> second{outside_ram, region_bytes};
    EXPECT_TRUE(std::ranges::find(all, first) != all.end());
    EXPECT_TRUE(std::ranges::find(all, second) != all.end());
    EXPECT_EQ(std::ranges::adjacent_find(all), all.end()) << "none twice";
    EXPECT_EQ(driver.run(report(q35::edu_a, 0, 16)).value, long(all.size()));
    EXPECT_EQ(driver.run(report(q35::edu_b, 0, 16)).value, 0);
    EXPECT_TRUE(driver.run(report(q35::edu_a, 0, 0)).failed_with(EINVAL));
    EXPECT_TRUE(driver.run(report({7, 1}, 0, 1)).failed_with(ENOENT));
}

TEST(ReservedRegion, InPlainMemoryItStaysBlockedWithAFindingUntilAClauseConfirmsIt) {
    auto opened = MachineRoom::open("q35-vtd", replaced_table());
    ASSERT_TRUE(opened) << opened.error().text;
    MachineRoom& room = **opened;
    const auto started = room.start_service();
    ASSERT_TRUE(started) << started.error().text;
    EXPECT_FALSE(room.writes(room.a(), in_ram));
    const auto status = room.status();
    const auto finding = std::ranges::find(status.findings, std::string("reserved-not-honoured"),
                                           &report::Finding::id);
    ASSERT_NE(finding, status.findings.end());
    const auto advice = finding->text.find("device 0000:00:03.0");
    ASSERT_NE(advice, std::string::npos) << finding->text;
    EXPECT_EQ(room.service().end(SIGTERM), 0);
    const auto again = room.start_service({"smmu vtd " + finding->text.substr(advice)});
    ASSERT_TRUE(again) << again.error().text;
    EXPECT_TRUE(room.writes(room.a(), in_ram));
    // The line that is advised keeps what was open: nothing is refused there.
    room.stray(room.a(), outside_ram);
    usleep(150'000);
    const auto refusals = room.status().refusals;
    EXPECT_TRUE(std::ranges::none_of(refusals, [](const report::Event& event) { return (event.address & ~(page - 1)) == outside_ram; }));
    EXPECT_FALSE(room.writes(room.b(), in_ram));
}

}  // namespace
}  // namespace smmu::test
