// SPDX-License-Identifier: Apache-2.0
// A unit whose tables are lost is shut without any: at no write does it open anything.
#include <gmock/gmock.h>

#include "bench.hpp"

namespace bench {
namespace {

topology::Unit described() {
    return units::described({{silicon::unit_base}, {silicon::unit_base + 0xfff}}, 46);
}

// The nic has a page; then the service is killed and its tables are lost.
class Shut : public testing::Test {
protected:
    void contain(silicon::Parameters parameters) {
        unit_ = std::make_unique<silicon::Unit>(parameters);
        auto service = std::make_unique<Instance>(*unit_);
        ASSERT_TRUE(service->open());
        auto space = service->space();
        ASSERT_TRUE(map(*space, 0x5000, 0x7000'5000, page));
        const units::Assignment assignments[] = {{StreamId{nic}, space.get()}, {StreamId{disk}, nullptr}};
        ASSERT_TRUE(service->iommu->take_over(assignments));
        EXPECT_TRUE(passes(nic, 0x5000));
        std::vector<std::unique_ptr<units::AddressSpace>> spaces;
        spaces.push_back(std::move(space));
        Instance::kill(std::move(service), std::move(spaces));
        machine_ = std::make_unique<silicon::Machine>(*unit_);
    }
    bool passes(std::uint16_t source, std::uint64_t address) { return unit_->dma(source, address, true).passed; }
    Result<void> shut() { return units::vtd::shut(*machine_, described(), clock_); }

    std::unique_ptr<silicon::Unit> unit_;
    std::unique_ptr<silicon::Machine> machine_;
    silicon::Time clock_;
};

TEST_F(Shut, EverythingIsRefusedAndTheQueueIsOff) {
    for (const bool root_invalidates : {true, false}) {
        for (const bool queued : {true, false}) {
            SCOPED_TRACE(testing::Message() << root_invalidates << queued);
            contain({.root_invalidates = root_invalidates, .queued = queued});
            unit_->after_write = [&] { EXPECT_FALSE(passes(disk, 0x5000) || passes(nic, 0x6000)); };
            const auto done = shut();
            unit_->after_write = nullptr;
            ASSERT_TRUE(done) << done.error().text;
            EXPECT_FALSE(passes(nic, 0x5000)) << "nothing is cached either";
            EXPECT_EQ(unit_->latched_root & ~0xfffull, machine_->zero_page()->value);
            EXPECT_EQ(unit_->status >> 26 & 1, 0u) << "GSTS.QIES";
            EXPECT_EQ(unit_->status >> 31, 1u) << "GSTS.TES";
            EXPECT_THAT(unit_->complaints, testing::IsEmpty());
        }
    }
}

TEST_F(Shut, ItSaysWhatWasNotConfirmed) {
    contain({});
    unit_->never_acknowledged = 1u << 26;
    EXPECT_EQ(shut().error().code, EIO);
}

}  // namespace
}  // namespace bench
