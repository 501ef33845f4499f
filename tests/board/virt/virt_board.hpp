// SPDX-License-Identifier: Apache-2.0
// VirtBoard: one of the Arm boards, its RAM and its devices.
#pragma once

#include <gtest/gtest.h>

#include "smmu_by_hand.hpp"
#include "tests/board/board_fixture.hpp"

namespace smmu::test {

// A board, and what its unit is to have.
struct VirtKind {
    const char* name;
    bool has_stage_1;
    bool has_stage_2;
    bool has_device_tree;

    unsigned usual_stage() const { return has_stage_2 ? 2 : 1; }
};

inline constexpr VirtKind virt_boards[] = {
    {"virt-smmuv3", true, true, false},       {"virt-smmuv3-s1", true, false, false},
    {"virt-smmuv3-s2", false, true, false},   {"virt-smmuv3-dt", true, true, true},
    {"virt-smmuv3-s1-dt", true, false, true}, {"virt-smmuv3-s2-dt", false, true, true},
};

inline std::string board_word(const testing::TestParamInfo<VirtKind>& kind) {
    std::string word = kind.param.name;
    std::ranges::replace(word, '-', '_');
    return word;
}

inline constexpr Function virt_edus[] = {q35::edu_a, q35::edu_b, q35::edu_behind_port, q35::edu_behind_bridge_a,
                                         q35::edu_behind_bridge_b};
inline constexpr Function virt_others[] = {q35::root_port, q35::pci_bridge, q35::nvme, {0, 8}};

class VirtBoard : public testing::TestWithParam<VirtKind> {
protected:
    static constexpr PhysAddr source{0x4200'0000}, target{0x4201'0000};  // buffers
    static constexpr PhysAddr unit_memory{0x4300'0000};

    void SetUp() override { ASSERT_NO_FATAL_FAILURE(start(GetParam().name)); }
    void start(const std::string& board) {
        auto started = BoardProcess::start(board);
        ASSERT_TRUE(started) << started.error().text;
        board_ = std::move(*started);
        auto connected = board_->connect();
        ASSERT_TRUE(connected) << connected.error().text;
        client_ = std::move(*connected);
        auto mapped = Ram::map(*client_);
        ASSERT_TRUE(mapped) << mapped.error().text;
        ram_.emplace(std::move(*mapped));
    }

    std::uint32_t config(Function function, std::uint64_t offset) const {
        return static_cast<std::uint32_t>(client_->read(config_space(*client_, function) + offset, 4));
    }
    // Loads the device's memory while it may read `from`.
    void load(Edu& edu, Iova from, PhysAddr memory, std::uint64_t value) {
        ram_->store(memory, value);
        EXPECT_TRUE(edu.dma_in(from, 8));
    }
    // What is at `memory` after the device wrote to `to`; refused writes leave zero.
    std::uint64_t written(Edu& edu, Iova to, PhysAddr memory) {
        ram_->store<std::uint64_t>(memory, 0);
        EXPECT_TRUE(edu.dma_out(to, 8));
        return ram_->load<std::uint64_t>(memory);
    }

    std::unique_ptr<BoardProcess> board_;
    std::unique_ptr<link::Client> client_;
    std::optional<Ram> ram_;
};

}  // namespace smmu::test
