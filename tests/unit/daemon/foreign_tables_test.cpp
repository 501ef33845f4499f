// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "daemon/machine.hpp"

namespace smmu::daemon {
namespace {

constexpr PhysAddr zeros{0x6000'0000};

class Host final : public platform::Platform {
public:
    std::string name() const override { return "host"; }
    memory::BootIdentity boot_identity() const override { return {}; }
    std::vector<PhysRange> ram() const override { return {}; }
    Result<std::vector<platform::RawTable>> firmware_tables() override { return fail(ENOTSUP, "none"); }
    Result<std::unique_ptr<hw::Mmio>> registers(PhysRange) override { return fail(ENOTSUP, "none"); }
    Result<std::unique_ptr<platform::PciConfig>> pci_config(std::span<const platform::EcamWindow>) override { return fail(ENOTSUP, "none"); }
    Result<memory::TableMemory> table_memory(std::optional<PhysRange>, std::uint64_t) override { return fail(ENOTSUP, "none"); }
    Result<std::unique_ptr<platform::PinnedMemory>> pin(UniqueFd, std::uint64_t, std::uint64_t) override { return fail(ENOTSUP, "none"); }
    Result<PhysAddr> zero_page() override { return zeros; }
};

TEST(ForeignTables, AreReplacedOnlyWhereConfigurationSaysSo) {
    Machine machine;
    machine.platform = std::make_unique<Host>();
    machine.table_memory = memory::TableMemory{{{0x4000'0000}, {0x41ff'ffff}}, {}};
    config::Configuration configuration = config::defaults(config::Edition::plain);
    EXPECT_TRUE(check_foreign_tables(configuration, machine)) << "nothing is walked";
    machine.walked_tables = {{0x4000'1000}};
    EXPECT_TRUE(check_foreign_tables(configuration, machine)) << "an earlier service's";
    machine.walked_tables.push_back(zeros);
    EXPECT_TRUE(check_foreign_tables(configuration, machine)) << "a safe state's, which lead nowhere";
    machine.walked_tables.push_back({0x5000'0000});
    const auto refused = check_foreign_tables(configuration, machine);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().status, ExitStatus::hardware);
    EXPECT_NE(refused.error().text.find("takeover foreign"), std::string::npos);
    configuration.platform.value.board = true;
    EXPECT_TRUE(check_foreign_tables(configuration, machine)) << "a board has nobody else";
    configuration.platform.value.board = false;
    configuration.takeover_foreign.value = true;
    EXPECT_TRUE(check_foreign_tables(configuration, machine));
}

}  // namespace
}  // namespace smmu::daemon
