// SPDX-License-Identifier: Apache-2.0
// ModelRoom: a modelled machine with VT-d units that QEMU does not have, and the service on it.
#pragma once

#include <gmock/gmock.h>

#include "tests/e2e/machine_room.hpp"

namespace smmu::test {

class ModelRoom : public testing::Test {
protected:
    static constexpr std::uint64_t first_unit = 0xfed90000;
    static constexpr std::uint64_t second_unit = 0xfed91000;

    // `units`: the list of the description, as JSON; further members may follow.
    void open(const std::string& units) {
        file_ =
            std::filesystem::temp_directory_path() / fmt::format("smmu-model-{}.json", getpid());
        std::ofstream(file_) << fmt::format(R"({{"units": {}}})", units);
        auto opened = MachineRoom::open(file_, {}, "smmu-model-vtd");
        std::filesystem::remove(file_);
        ASSERT_TRUE(opened) << opened.error().text;
        room_ = std::move(*opened);
    }
    // One unit for everything.
    void open_one(const std::string& features, const std::string& further = "") {
        open(fmt::format(R"([{{"takes_all": true, "features": {{{}}}{}}}])", features, further));
    }
    // 00:04.0 and what is behind the port 00:05.0 belong to the first, the rest to the second.
    void open_two(const std::string& features, const std::string& further = "") {
        open(fmt::format(R"([{{"scopes": ["0:4.0", "below 0:5.0"], "features": {{{0}}}{1}}},
                             {{"base": "0xfed91000", "takes_all": true, "features": {{{0}}}}}])",
                         features, further));
    }
    void start(const std::vector<std::string>& words = {"smmu", "vtd"}) {
        const auto started = room().start_service(words);
        ASSERT_TRUE(started) << started.error().text;
    }
    void TearDown() override {
        if (room_ && !may_complain) {
            EXPECT_THAT(log(), testing::Not(testing::HasSubstr("COMPLAINT")));
        }
    }

    MachineRoom& room() { return *room_; }
    std::string log() { return contents(room().board().directory() + "/model.log"); }
    std::uint32_t status(std::uint64_t unit) {
        return std::uint32_t(room().link().read({unit + 0x1c}, 4));
    }
    // No device gets at memory that it was not given.
    void expect_contained() {
        for (const Function function :
             {q35::edu_a, q35::edu_b, q35::edu_behind_port, q35::edu_behind_bridge_a})
            EXPECT_FALSE(room().writes(room().edu(function), memory_base))
                << int(function.bus) << ":" << int(function.device);
    }
    // A client maps, uses, changes, unmaps: what is allowed passes, and only as long as it is.
    void expect_drivers_work(Function function = q35::edu_a) {
        Edu& edu = room().edu(function);
        ClientProcess driver = room().driver();
        const Object object = driver.own(function);
        ASSERT_NE(object, nullptr);
        EXPECT_FALSE(room().writes(edu, memory_base));
        ASSERT_TRUE(driver.map(object, memory_base, 4 * page).done());
        EXPECT_TRUE(room().writes(edu, memory_base));
        EXPECT_TRUE(room().writes(edu, memory_base + 3 * page));
        EXPECT_TRUE(room().copies(edu, memory_base + page, memory_base + 2 * page));
        EXPECT_FALSE(room().writes(edu, memory_base + 4 * page));
        ASSERT_TRUE(driver.unmap(object, memory_base + page, page).done());
        EXPECT_FALSE(room().writes(edu, memory_base + page));
        EXPECT_TRUE(room().writes(edu, memory_base));
        ASSERT_TRUE(driver.map(object, memory_base + page, page, SMF_READ).done());
        EXPECT_FALSE(room().writes(edu, memory_base + page)) << "read only";
        ASSERT_TRUE(driver.map(object, memory_base + (4u << 20), 4u << 20).done());
        EXPECT_TRUE(room().writes(edu, memory_base + (6u << 20)));
        ASSERT_TRUE(driver.unmap(object, 0, 1u << 30).done());
        EXPECT_FALSE(room().writes(edu, memory_base));
        EXPECT_FALSE(room().writes(edu, memory_base + (6u << 20)));
        ASSERT_TRUE(driver.map(object, memory_base, page).done());
        EXPECT_TRUE(room().writes(edu, memory_base));
        driver.kill_now();
        // Not by what the device writes: on the way to blocked it is quiet for a moment already.
        EXPECT_TRUE(eventually([&] { return room().status().objects.empty(); }));
        EXPECT_FALSE(room().writes(edu, memory_base));
    }
    std::uint64_t refused(Function function) {
        const std::string name = fmt::format("{:02x}:{:02x}.0", function.bus, function.device);
        for (const auto& device : room().status().devices)
            if (device.id.find(name) != std::string::npos) return device.refused;
        ADD_FAILURE() << "the service does not know " << name;
        return 0;
    }

    bool may_complain = false;  // the model, of a driver whose unit does not work

private:
    std::string file_;
    std::unique_ptr<MachineRoom> room_;
};

}  // namespace smmu::test
