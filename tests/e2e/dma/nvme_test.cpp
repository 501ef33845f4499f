// SPDX-License-Identifier: Apache-2.0
// A drive behind the unit: its queues and data work inside grants; outside of them nothing arrives,
// the neighbours are intact, and the record says who reached for what.
#include "tests/devices/nvme.hpp"
#include "tests/e2e/machine_room.hpp"

namespace smmu::test {
namespace {

constexpr std::uint64_t queues = memory_base, data = memory_base + 16 * page;
constexpr std::uint8_t canary = 0xa5;

class NvmeDma : public testing::TestWithParam<std::string> {
protected:
    void SetUp() override {
        auto opened = MachineRoom::open(GetParam());
        ASSERT_TRUE(opened) << opened.error().text;
        room_ = std::move(*opened);
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

// Every board with a VT-d unit, also those that come later.
std::vector<std::string> vtd_boards() {
    std::vector<std::string> names;
    for (const auto& file : std::filesystem::directory_iterator(SMMU_SOURCE_DIR "/boards/qemu"))
        if (file.path().filename().string().starts_with("q35-vtd"))
            names.push_back(file.path().stem());
    std::ranges::sort(names);
    return names;
}

INSTANTIATE_TEST_SUITE_P(Boards, NvmeDma, testing::ValuesIn(vtd_boards()), [](const auto& board) {
    std::string name = board.param;
    std::ranges::replace(name, '-', '_');
    return name;
});

}  // namespace
}  // namespace smmu::test
