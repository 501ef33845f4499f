// SPDX-License-Identifier: Apache-2.0
// A unit whose table and queues are lost is shut without any: at no write does it open anything.
#include "bench.hpp"
#include "tests/unit/registers_alone.hpp"
#include "units/smmuv3/open.hpp"

namespace smmu::units::smmuv3 {
namespace {

TEST_F(SmmuV3, IsShutWithoutTables) {
    contain();
    EXPECT_EQ(unit.dma(nic, 0x5010), 0x7000'5010u);
    RegistersAlone host([&] { return std::make_unique<silicon::Forwarding>(unit); });
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
