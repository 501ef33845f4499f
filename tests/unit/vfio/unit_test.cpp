// SPDX-License-Identifier: Apache-2.0
// The unit before a kernel in memory: what devices reach at every step.
#include "units/vfio/unit.hpp"

#include <gmock/gmock.h>

#include "tests/unit/vfio/fake_kernel.hpp"

namespace smmu::units::vfio {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::FakeKernel;
using testing::FakeState;
using enum IommuUnit::Owner;

constexpr std::uint64_t page = 4096;
constexpr StreamId edu{0x18}, nvme{0x20}, sibling{0x21};
constexpr unsigned edu_group = 3, shared_group = 4;

paging::Map map(std::uint64_t first_page, std::uint64_t pages, std::uint64_t memory, Access access = read_write) {
    return {{{first_page * page}, {(first_page + pages) * page - 1}}, PhysAddr{memory | process_memory}, access};
}
paging::Unmap unmap(std::uint64_t first_page, std::uint64_t pages) { return {{{first_page * page}, {(first_page + pages) * page - 1}}}; }

class Recorder final : public RefusalSink {
public:
    void refused(const Refusal& refusal) noexcept override { all.push_back(refusal); }
    std::vector<Refusal> all;
};

class KernelUnitTest : public ::testing::Test {
protected:
    KernelUnitTest() {
        unit_ = std::make_unique<KernelUnit>(std::make_unique<FakeKernel>(kernel_), [this] { return groups_; }, "kernel", 12);
        EXPECT_TRUE(unit_->take_over({}).has_value());
        space_ = make_space();
    }
    std::unique_ptr<AddressSpace> make_space() { return *unit_->create_space(account_); }
    void attach(StreamId stream, AddressSpace& space) {
        EXPECT_TRUE(unit_->acquire(stream, another).has_value());
        EXPECT_TRUE(unit_->attach(stream, space).has_value());
    }
    static Result<void> change(AddressSpace& space, std::vector<Change> changes) {
        SMMU_TRY(Plan plan, space.prepare(changes));
        Budget nothing{0}, unlimited;
        SMMU_CHECK(space.commit(plan, nothing));
        SMMU_CHECK(space.commit(plan, unlimited));
        starved_ = plan.starved().size();
        disturbed_ = plan.disturbed().size();
        return {};
    }
    std::optional<std::uint64_t> reach(std::uint64_t page_number, unsigned group = edu_group) {
        const auto backing = kernel_.reach(group, page_number * page);
        return backing ? std::optional(backing->memory) : std::nullopt;
    }
    std::size_t mappings(unsigned group = edu_group) { return kernel_.groups[group].mappings.size(); }

    static inline std::size_t starved_ = 0, disturbed_ = 0;
    std::vector<platform::KernelGroup> groups_{{edu_group, "DMA", {{{0, 0, 0x18}, "vfio-pci"}}},
                                               {shared_group, "DMA-FQ", {{{0, 0, 0x20}, "nvme"}, {{0, 0, 0x21}, ""}}}};
    FakeState kernel_;
    memory::Account account_;
    std::unique_ptr<KernelUnit> unit_;
    std::unique_ptr<AddressSpace> space_;
};

TEST_F(KernelUnitTest, GrantsReachTheDeviceWhenItIsAttached) {
    ASSERT_TRUE(change(*space_, {map(1, 2, 0x10000)}));
    attach(edu, *space_);
    EXPECT_EQ(reach(1), 0x10000u);
    EXPECT_EQ(reach(2), 0x10000u + page);
    EXPECT_EQ(reach(3), std::nullopt);
    ASSERT_TRUE(change(*space_, {map(3, 1, 0x70000)}));
    EXPECT_EQ(reach(3), 0x70000u);
    ASSERT_TRUE(unit_->block(edu, Recording::on));
    EXPECT_EQ(mappings(), 0u);
    unit_->let_go(edu);
    EXPECT_FALSE(kernel_.groups[edu_group].is_taken);
}

TEST_F(KernelUnitTest, WhatContinuesIsOneMapping) {
    for (std::uint64_t i = 0; i < 8; ++i) ASSERT_TRUE(change(*space_, {map(i, 1, 0x10000 + i * page)}));
    ASSERT_TRUE(change(*space_, {map(8, 1, 0x10000 + 8 * page, Access::read)}));
    ASSERT_TRUE(change(*space_, {map(9, 1, 0x90000)}));
    attach(edu, *space_);
    EXPECT_EQ(mappings(), 3u) << "the ninth has another access, the tenth leads elsewhere";
}

TEST_F(KernelUnitTest, APartOfAMappingIsTakenAway) {
    attach(edu, *space_);
    ASSERT_TRUE(change(*space_, {map(0, 8, 0x10000)}));
    ASSERT_TRUE(change(*space_, {unmap(3, 2)}));
    EXPECT_EQ(disturbed_, 2u);
    EXPECT_EQ(reach(2), 0x10000u + 2 * page);
    EXPECT_EQ(reach(3), std::nullopt);
    EXPECT_EQ(reach(4), std::nullopt);
    EXPECT_EQ(reach(5), 0x10000u + 5 * page);
    EXPECT_EQ(space_->translate(Iova{3 * page}).leaf_bytes, 0u);
}

TEST_F(KernelUnitTest, WhatTheKernelDoesNotTakeAgainStaysClosedEverywhere) {
    attach(edu, *space_);
    attach(nvme, *space_);
    ASSERT_TRUE(change(*space_, {map(0, 8, 0x10000)}));
    kernel_.fail_nth_map = 2;  // the second rest of the first group
    ASSERT_TRUE(change(*space_, {unmap(3, 2)}));
    EXPECT_EQ(starved_, 1u);
    for (const unsigned group : {edu_group, shared_group}) {
        EXPECT_EQ(reach(2, group), 0x10000u + 2 * page);
        EXPECT_EQ(reach(5, group), std::nullopt);
    }
}

// The one has two pieces where the other has one, as it came later: what the second loses by the first's loss is closed in it, too.
TEST_F(KernelUnitTest, WhatIsLostByALossIsClosedEverywhere) {
    attach(edu, *space_);
    ASSERT_TRUE(change(*space_, {map(0, 4, 0x10000)}));
    ASSERT_TRUE(change(*space_, {map(4, 4, 0x10000 + 4 * page)}));
    attach(nvme, *space_);
    EXPECT_EQ(mappings(edu_group), 2u);
    EXPECT_EQ(mappings(shared_group), 1u);
    kernel_.maps = 0;
    kernel_.failing_maps = {2, 5};  // pages 2 and 3 of the first, pages 4 to 7 of the second
    ASSERT_TRUE(change(*space_, {unmap(1, 1)}));
    for (const unsigned group : {edu_group, shared_group}) {
        EXPECT_EQ(reach(0, group), 0x10000u);
        for (std::uint64_t at = 1; at < 8; ++at) EXPECT_EQ(reach(at, group), std::nullopt) << group << " " << at;
    }
    EXPECT_EQ(unit_->state(), UnitState::containing);
}

// Two lose the same, the third nothing: it is taken from that one once.
TEST_F(KernelUnitTest, WhatTwoLoseIsClosedOnceInTheThird) {
    constexpr StreamId third{0x28};
    constexpr unsigned third_group = 5;
    groups_.push_back({third_group, "DMA", {{{0, 0, 0x28}, "vfio-pci"}}});
    for (const StreamId stream : {edu, nvme, third}) attach(stream, *space_);
    ASSERT_TRUE(change(*space_, {map(0, 6, 0x10000)}));
    kernel_.maps = 0;
    kernel_.failing_maps = {1, 2, 3, 4};
    ASSERT_TRUE(change(*space_, {unmap(2, 2)}));
    EXPECT_EQ(mappings(edu_group) + mappings(shared_group) + mappings(third_group), 0u);
    EXPECT_EQ(unit_->state(), UnitState::containing);
}

TEST_F(KernelUnitTest, AFailedGrantLeavesNothing) {
    attach(edu, *space_);
    attach(nvme, *space_);
    for (int nth = 1; nth <= 4; ++nth) {
        kernel_.fail_nth_map = nth;
        const auto refused = change(*space_, {map(0, 1, 0x10000), map(4, 1, 0x20000)});
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().code, ENOMEM);
        EXPECT_EQ(mappings(edu_group) + mappings(shared_group), 0u) << nth;
    }
    EXPECT_TRUE(change(*space_, {map(0, 1, 0x10000), map(4, 1, 0x20000)}));
}

TEST_F(KernelUnitTest, APlanThatIsGivenUpLeavesNothing) {
    attach(edu, *space_);
    const std::vector<Change> changes{map(0, 1, 0x10000)};
    auto plan = space_->prepare(changes);
    ASSERT_TRUE(plan);
    space_->abandon(*std::move(plan));
    EXPECT_EQ(mappings(), 0u);
}

TEST_F(KernelUnitTest, AFailedAttachLeavesNothing) {
    ASSERT_TRUE(change(*space_, {map(0, 1, 0x10000), map(4, 1, 0x20000)}));
    ASSERT_TRUE(unit_->acquire(edu, another));
    kernel_.fail_nth_map = 2;
    const auto refused = unit_->attach(edu, *space_);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ENOMEM);
    EXPECT_EQ(mappings(), 0u);
    EXPECT_EQ(unit_->state(), UnitState::containing);
}

TEST_F(KernelUnitTest, RefusesWhatTheKernelCannotMap) {
    attach(edu, *space_);
    paging::Map by_address = map(0, 1, 0);
    by_address.physical = PhysAddr{0x10000};
    EXPECT_EQ(change(*space_, {by_address}).error().code, ENOTSUP);
    EXPECT_EQ(change(*space_, {map(0xfee00, 1, 0x10000)}).error().code, ERANGE);
    kernel_.limit = 2;
    const auto refused = change(*space_, {map(0, 1, 0x10000), map(2, 1, 0x10000), map(4, 1, 0x10000)});
    EXPECT_EQ(refused.error().code, ENOSPC);
    EXPECT_THAT(refused.error().text, HasSubstr("dma_entry_limit"));
    EXPECT_EQ(mappings(), 0u);
}

TEST_F(KernelUnitTest, AGroupThatCannotBeHadIsNamedWithItsMembers) {
    kernel_.refused[shared_group] = {EPERM, "not viable"};
    const auto refused = unit_->acquire(nvme, another);
    EXPECT_EQ(refused.error().code, EPERM);
    EXPECT_THAT(refused.error().text, AllOf(HasSubstr("0000:00:04.0 (nvme)"), HasSubstr("0000:00:04.1 (no driver)")));
    groups_[0].type = "identity";
    EXPECT_THAT(unit_->acquire(edu, another).error().text, AllOf(HasSubstr("type identity"), HasSubstr("/sys/kernel/iommu_groups/3/type")));
    EXPECT_EQ(unit_->acquire(StreamId{0x99}, another).error().code, ENOENT);
}

TEST_F(KernelUnitTest, MembersGoTogether) {
    ASSERT_TRUE(change(*space_, {map(0, 1, 0x10000)}));
    attach(nvme, *space_);
    attach(sibling, *space_);
    EXPECT_EQ(mappings(shared_group), 1u);
    ASSERT_TRUE(unit_->block(nvme, Recording::on));
    EXPECT_EQ(mappings(shared_group), 0u) << "the other one would reach it";
}

TEST_F(KernelUnitTest, WhoMovesReachesNothingOfWhatItHad) {
    ASSERT_TRUE(change(*space_, {map(0, 1, 0x10000)}));
    attach(edu, *space_);
    const auto other = make_space();
    ASSERT_TRUE(change(*other, {map(1, 1, 0x20000)}));
    ASSERT_TRUE(unit_->attach(edu, *other));
    EXPECT_EQ(reach(0), std::nullopt);
    EXPECT_EQ(reach(1), 0x20000u);
    ASSERT_TRUE(change(*space_, {map(2, 1, 0x30000)}));
    EXPECT_EQ(reach(2), std::nullopt) << "what its old space is given later is not its own either";
}

TEST_F(KernelUnitTest, WhoKeepsADescriptorReachesNothingAndKeepsOthersOut) {
    ASSERT_TRUE(change(*space_, {map(0, 1, 0x10000)}));
    attach(edu, *space_);
    kernel_.groups[edu_group].descriptor_in_use = true;
    ASSERT_TRUE(unit_->block(edu, Recording::on));
    unit_->let_go(edu);
    EXPECT_EQ(mappings(), 0u);
    EXPECT_EQ(unit_->acquire(edu, another).error().code, EBUSY);
    EXPECT_TRUE(unit_->acquire(edu, same)) << "it is its own";
    kernel_.groups[edu_group].descriptor_in_use = false;
    ASSERT_TRUE(unit_->recheck());
    EXPECT_FALSE(kernel_.groups[edu_group].is_taken) << "given back when the descriptor was closed";
    EXPECT_TRUE(unit_->acquire(edu, another));
}

TEST_F(KernelUnitTest, ARemovalThatIsNotConfirmedStopsTheUnit) {
    attach(edu, *space_);
    ASSERT_TRUE(change(*space_, {map(0, 1, 0x10000)}));
    kernel_.unmap_fails = true;
    EXPECT_EQ(change(*space_, {unmap(0, 1)}).error().code, EIO);
    EXPECT_EQ(unit_->state(), UnitState::failed);
    EXPECT_EQ(mappings(), 0u) << "it left its container, which ends all";
    EXPECT_TRUE(unit_->report().stop_confirmed);
    EXPECT_EQ(unit_->attach(edu, *space_).error().code, EIO);
}

TEST_F(KernelUnitTest, RefusalsComeFromTheLog) {
    kernel_.log = {"3,1,2,-;DMAR: [DMA Write NO_PASID] Request device [00:03.0] fault addr 0x5000 [fault reason 0x05] PTE Write access is not set\n",
                   "EPIPE", "4,1,2,-;dmar_fault: 7 callbacks suppressed\n",
                   "3,1,2,-;DMAR: [DMA Read NO_PASID] Request device [42:00.0] fault addr 0x6000 [fault reason 0x06] PTE Read access is not set\n"};
    Recorder recorder;
    const Drained drained = unit_->drain(recorder);
    EXPECT_EQ(drained.seen, 2u);
    EXPECT_EQ(drained.lost, 8u);
    EXPECT_FALSE(drained.more);
    ASSERT_EQ(recorder.all.size(), 2u);
    EXPECT_EQ(recorder.all[0].stream, edu);
    EXPECT_EQ(recorder.all[0].address, Iova{0x5000});
    EXPECT_EQ(recorder.all[1].stream, StreamId{0x4200});
}

TEST_F(KernelUnitTest, TwoSegmentsWithOneAddressCannotBeToldApart) {
    groups_.push_back({9, "DMA", {{{1, 0, 0x18}, "vfio-pci"}}});
    (void)unit_->acquire(StreamId{0x10018}, another);
    kernel_.log = {"3,1,2,-;DMAR: [DMA Write NO_PASID] Request device [00:03.0] fault addr 0x5000 [fault reason 0x05]\n"};
    Recorder recorder;
    unit_->drain(recorder);
    ASSERT_EQ(recorder.all.size(), 1u);
    EXPECT_FALSE(recorder.all[0].stream_known);
}

}  // namespace
}  // namespace smmu::units::vfio
