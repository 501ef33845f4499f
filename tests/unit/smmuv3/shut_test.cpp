// SPDX-License-Identifier: Apache-2.0
// A unit whose table and queues are lost is shut without any: at no write does it open anything.
#include "bench.hpp"
#include "units/smmuv3/open.hpp"

namespace smmu::units::smmuv3 {
namespace {

class Host final : public platform::Platform {
public:
    explicit Host(Unit& unit) : unit_(unit) {}
    std::string name() const override { return "silicon"; }
    memory::BootIdentity boot_identity() const override { return {}; }
    std::vector<PhysRange> ram() const override { return {}; }
    Result<std::vector<platform::RawTable>> firmware_tables() override { return fail(ENOTSUP, "none"); }
    Result<std::unique_ptr<hw::Mmio>> registers(PhysRange) override { return std::make_unique<silicon::Forwarding>(unit_); }
    Result<std::unique_ptr<platform::PciConfig>> pci_config(std::span<const platform::EcamWindow>) override { return fail(ENOTSUP, "none"); }
    Result<memory::TableMemory> table_memory(std::optional<PhysRange>, std::uint64_t) override { return fail(ENOTSUP, "none"); }
    Result<std::unique_ptr<platform::PinnedMemory>> pin(UniqueFd, std::uint64_t, std::uint64_t) override { return fail(ENOTSUP, "none"); }

private:
    Unit& unit_;
};

TEST_F(SmmuV3, IsShutWithoutTables) {
    contain();
    EXPECT_EQ(unit.dma(nic, 0x5010), 0x7000'5010u);
    Host host(unit);
    unit.after_write = [&] { EXPECT_TRUE(refuses(disk, 0x5000) && refuses(stranger, 0x5000) && refuses(nic, 0x6000)); };
    const auto done = shut(host, described({{0x1000'0000}, {0x1001'ffff}}, 48), clock);
    unit.after_write = nullptr;
    ASSERT_TRUE(done) << done.error().text;
    EXPECT_TRUE(unit.aborts());
    EXPECT_FALSE(unit.is_on());
    EXPECT_TRUE(refuses(nic, 0x5000));
    EXPECT_EQ(unit.read(0x24) & 0xf, 0u) << "neither queue is read or written any more";
}

}  // namespace
}  // namespace smmu::units::smmuv3
