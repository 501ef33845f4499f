// SPDX-License-Identifier: Apache-2.0
// A drive behind the unit: its queues and data work inside grants; outside of them nothing arrives,
// the neighbours are intact, and the record says who reached for what.
#include "tests/devices/nvme.hpp"
#include "tests/e2e/machine_room.hpp"

namespace smmu::test {
namespace {

constexpr std::uint8_t canary = 0xa5;

class NvmeDma : public testing::TestWithParam<std::string> {
protected:
    void SetUp() override {
        auto opened = MachineRoom::open(GetParam());
        ASSERT_TRUE(opened) << opened.error().text;
        room_ = std::move(*opened);
        queues = room_->memory();
        data = queues + 16 * page;
        const auto started = room_->start_service();
        ASSERT_TRUE(started) << started.error().text;
        driver_ = room_->driver();
        driver_.events();  // records start with the first question
        object_ = driver_.own(q35::nvme);
        ASSERT_NE(object_, nullptr);
        nvme_.emplace(room_->link(), room_->ram(), q35::nvme, PhysAddr{queues});
        room_->ram().fill({data - page}, 3 * page, canary);
    }
    bool untouched(std::uint64_t address) { return room_->all(address, page, canary); }
    bool identified() {
        const auto serial = room_->ram().at({data + 4}, 5);
        return std::memcmp(serial.data(), "smmu0", 5) == 0;
    }
    void expect_record(std::uint64_t first_page, unsigned access) {
        const smmu_event event = driver_.next_event();
        EXPECT_EQ(event.address & ~(page - 1), first_page);
        EXPECT_EQ(event.access, access);
        EXPECT_EQ(event.stream, std::uint32_t(q35::nvme.stream()));
        EXPECT_EQ(event.owner_pid, std::uint32_t(driver_.pid()));
    }

    std::uint64_t queues = 0, data = 0;
    std::unique_ptr<MachineRoom> room_;
    ClientProcess driver_;
    Object object_ = nullptr;
    std::optional<Nvme> nvme_;
};

TEST_P(NvmeDma, WorksInsideItsGrants) {
    ASSERT_TRUE(driver_.map(object_, queues, page, SMF_READ).done());
    ASSERT_TRUE(driver_.map(object_, queues + page, page, SMF_WRITE).done());
    ASSERT_TRUE(driver_.map(object_, data, page, SMF_WRITE).done());
    ASSERT_TRUE(nvme_->start());
    EXPECT_TRUE(nvme_->identify({data}));
    EXPECT_TRUE(identified());
    EXPECT_TRUE(untouched(data - page) && untouched(data + page));
    EXPECT_TRUE(driver_.events().empty());
}

TEST_P(NvmeDma, DataOutsideDoesNotArrive) {
    ASSERT_TRUE(driver_.map(object_, queues, 2 * page).done());
    ASSERT_TRUE(nvme_->start());
    nvme_->identify({data});
    EXPECT_TRUE(untouched(data - page) && untouched(data) && untouched(data + page));
    expect_record(data, SMF_WRITE);
}

TEST_P(NvmeDma, CommandsOutsideAreNotFetched) {
    ASSERT_TRUE(driver_.map(object_, queues + page, page).done());
    ASSERT_TRUE(driver_.map(object_, data, page).done());
    ASSERT_TRUE(nvme_->start());
    EXPECT_FALSE(nvme_->identify({data}));
    EXPECT_TRUE(untouched(data - page) && untouched(data) && untouched(data + page));
    expect_record(queues, SMF_READ);
}

class NvmeQueues : public NvmeDma {
protected:
    std::uint64_t list = 0;  // of pages
    static constexpr std::uint32_t pages = 4;

    void SetUp() override {
        NvmeDma::SetUp();
        list = data + 8 * page;
        room_->ram().fill({data}, 6 * page, canary);
        room_->ram().fill({list}, page, 0);
        for (std::uint64_t i = 1; i < pages; ++i) room_->ram().store<std::uint64_t>({list + 8 * (i - 1)}, data + i * page);
        ASSERT_TRUE(driver_.map(object_, queues, 4 * page).done());
        ASSERT_TRUE(nvme_->start());
    }
    bool is_read(std::uint64_t at) { return room_->all(at, page, 0); }
};

TEST_P(NvmeQueues, AListOfPagesIsFilledInsideTheGrants) {
    ASSERT_TRUE(driver_.map(object_, data, pages * page, SMF_WRITE).done());
    ASSERT_TRUE(driver_.map(object_, list, page, SMF_READ).done());
    ASSERT_TRUE(nvme_->make_io_queues());
    EXPECT_EQ(nvme_->read({data}, {list}, pages), 0u);
    for (std::uint64_t i = 0; i < pages; ++i) EXPECT_TRUE(is_read(data + i * page)) << i;
    EXPECT_TRUE(untouched(data - page) && untouched(data + pages * page));
    EXPECT_TRUE(driver_.events().empty());
}

TEST_P(NvmeQueues, AListOutsideIsNotRead) {
    ASSERT_TRUE(driver_.map(object_, data, pages * page, SMF_WRITE).done());
    ASSERT_TRUE(nvme_->make_io_queues());
    EXPECT_NE(nvme_->read({data}, {list}, pages), 0u);
    for (std::uint64_t i = 1; i < pages; ++i) EXPECT_TRUE(untouched(data + i * page)) << i;
    expect_record(list, SMF_READ);
}

TEST_P(NvmeQueues, APageOfTheListThatIsOutsideStaysWhole) {
    ASSERT_TRUE(driver_.map(object_, data, 2 * page, SMF_WRITE).done());
    ASSERT_TRUE(driver_.map(object_, data + 3 * page, page, SMF_WRITE).done());
    ASSERT_TRUE(driver_.map(object_, list, page, SMF_READ).done());
    ASSERT_TRUE(nvme_->make_io_queues());
    nvme_->read({data}, {list}, pages);  // QEMU's reports success all the same: memory is what counts
    EXPECT_TRUE(untouched(data + 2 * page) && untouched(data - page) && untouched(data + pages * page));
    expect_record(data + 2 * page, SMF_WRITE);
}

TEST_P(NvmeQueues, CompletionsOutsideDoNotArrive) {
    ASSERT_TRUE(driver_.map(object_, data, 2 * page, SMF_WRITE).done());
    ASSERT_TRUE(nvme_->make_io_queues());
    ASSERT_TRUE(driver_.unmap(object_, nvme_->io_completions().value, page).done());
    EXPECT_FALSE(nvme_->read({data}, {data + page}, 2));
    EXPECT_TRUE(room_->all(nvme_->io_completions().value, page, 0));
    EXPECT_TRUE(untouched(data - page) && untouched(data + 2 * page));
    expect_record(nvme_->io_completions().value, SMF_WRITE);
}

std::string name_of(const testing::TestParamInfo<std::string>& board) {
    std::string name = board.param;
    std::ranges::replace(name, '-', '_');
    return name;
}

INSTANTIATE_TEST_SUITE_P(Boards, NvmeDma, testing::ValuesIn(MachineRoom::boards()), name_of);
INSTANTIATE_TEST_SUITE_P(Boards, NvmeQueues, testing::ValuesIn(MachineRoom::boards()), name_of);

}  // namespace
}  // namespace smmu::test
