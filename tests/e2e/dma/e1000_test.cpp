// SPDX-License-Identifier: Apache-2.0
// A network controller behind the unit, on every board: a packet goes round inside the grants; take any piece of them
// away, and it does not, nothing else is touched, and the record says what the device reached for.
#include "tests/devices/e1000.hpp"
#include "tests/e2e/machine_room.hpp"

namespace smmu::test {
namespace {

constexpr Function e1000{0, 8};
constexpr std::uint8_t canary = 0xa5;

class E1000Dma : public testing::TestWithParam<std::string> {
protected:
    void SetUp() override {
        auto opened = MachineRoom::open(GetParam());
        ASSERT_TRUE(opened) << opened.error().text;
        room_ = std::move(*opened);
        const PhysAddr base{room_->memory()};
        memory = {base, base + 4 * page, base + 8 * page, base + 12 * page};
        ASSERT_TRUE(room_->start_service());
        driver_ = room_->driver();
        driver_.events();  // records start with the first question
        object_ = driver_.own(e1000);
        ASSERT_NE(object_, nullptr);
        e1000_.emplace(room_->link(), room_->ram(), e1000, memory);
        room_->ram().fill({room_->memory()}, 16 * page, canary);
        e1000_->compose(17);
    }
    void grant(PhysAddr at, unsigned flags) { ASSERT_TRUE(driver_.map(object_, at.value, page, flags).done()); }
    void grant_all() {
        grant(memory.sent_ring, SMF_READ | SMF_WRITE);  // it reports there, too
        grant(memory.sent, SMF_READ);
        grant(memory.received_ring, SMF_READ | SMF_WRITE);
        grant(memory.received, SMF_WRITE);
    }
    bool untouched(PhysAddr at) { return room_->all(at.value, page, canary); }
    // Every page of the memory that is none of the four.
    bool neighbours_are_whole() {
        for (std::uint64_t i = 0; i < 16; ++i)
            if (i % 4 != 0 && !untouched({room_->memory() + i * page})) return false;
        return true;
    }

    E1000::Memory memory{};
    std::unique_ptr<MachineRoom> room_;
    ClientProcess driver_;
    Object object_ = nullptr;
    std::optional<E1000> e1000_;
};

TEST_P(E1000Dma, APacketGoesRoundInsideTheGrants) {
    grant_all();
    e1000_->start();
    EXPECT_TRUE(eventually([&] {
        e1000_->empty_rings();
        e1000_->send();
        return e1000_->arrived();
    }));
    EXPECT_TRUE(neighbours_are_whole());
    EXPECT_TRUE(driver_.events().empty());
}

TEST_P(E1000Dma, WithoutAnyOfItsGrantsNothingArrives) {
    struct Missing {
        PhysAddr page;
        unsigned access;
    };
    e1000_->start();
    for (const auto& [missing, access] : {Missing{memory.sent_ring, SMF_READ}, Missing{memory.sent, SMF_READ},
                                          Missing{memory.received_ring, SMF_READ}, Missing{memory.received, SMF_WRITE}}) {
        SCOPED_TRACE(missing.value);
        grant_all();
        ASSERT_TRUE(driver_.unmap(object_, missing.value, page).done());
        driver_.events();
        room_->ram().fill(memory.received, page, canary);
        smmu_event first{};
        ASSERT_TRUE(eventually([&] {
            e1000_->empty_rings();
            e1000_->send();
            EXPECT_FALSE(e1000_->arrived());
            // Records of the piece that was missing before may come late.
            for (const smmu_event& event : driver_.events())
                if (first.sequence == 0 && (event.address & ~(page - 1)) == missing.value) first = event;
            return first.sequence != 0;
        }));
        EXPECT_TRUE(missing == memory.received ? untouched(memory.received) : true);
        EXPECT_TRUE(neighbours_are_whole());
        EXPECT_EQ(first.access, access);
        EXPECT_EQ(first.stream, std::uint32_t(e1000.stream()));
        EXPECT_EQ(first.owner_pid, std::uint32_t(driver_.pid()));
    }
}

INSTANTIATE_TEST_SUITE_P(Boards, E1000Dma, testing::ValuesIn(MachineRoom::boards()), [](const auto& chosen) {
    std::string name = chosen.param;
    std::ranges::replace(name, '-', '_');
    return name;
});

}  // namespace
}  // namespace smmu::test
