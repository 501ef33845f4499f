// SPDX-License-Identifier: Apache-2.0
// What is asked of the unit, in commands and in stores: few for much memory, and as few however much a space holds.
#include "bench.hpp"

namespace smmu::units::smmuv3 {
namespace {

struct Asked {
    std::size_t commands = 0, syncs = 0;
    friend bool operator==(const Asked&, const Asked&) = default;
    friend std::ostream& operator<<(std::ostream& out, const Asked& asked) {
        return out << asked.commands << " commands, " << asked.syncs << " syncs";
    }
};

class Cost : public SmmuV3 {
protected:
    Asked asked() const {
        const auto syncs = std::size_t(
            std::ranges::count_if(unit.commands, [](const auto& command) { return (command.first & 0xff) == 0x46; }));
        return {unit.commands.size() - syncs, syncs};
    }
    // Pages, not blocks: memory is one page beside.
    Asked to_unmap(std::uint64_t pages) {
        const std::uint64_t at = 0x4000'0000;
        EXPECT_TRUE(map(*space, at, at + page, pages * page));
        EXPECT_EQ(unit.dma(nic, at + pages * page - 1), at + (pages + 1) * page - 1);
        unit.commands.clear();
        EXPECT_TRUE(unmap(*space, at, pages * page));
        EXPECT_TRUE(refuses(nic, at) && refuses(nic, at + pages * page - 1));
        return asked();
    }
    // Words of table memory that a piece of work changes, those of the command queue left out.
    template <class Work>
    std::size_t stores(Work work) {
        std::vector<std::uint64_t> before(silicon::memory_bytes / 8);
        std::memcpy(before.data(), unit.memory.start, silicon::memory_bytes);
        work();
        const std::uint64_t queue = (unit.read(0x90) & 0xf'ffff'ffff'ffe0) - silicon::memory_base;
        std::size_t changed = 0;
        for (std::uint64_t at = 0; at < silicon::memory_bytes; at += 8)
            if (at / page != queue / page && before[at / 8] != unit.word(silicon::memory_base + at)) ++changed;
        return changed;
    }
};

TEST_F(Cost, UnmappingWithRangesIsOneCommandForAnyPowerOfTwo) {
    contain();
    for (const std::uint64_t pages : {1u, 16u, 64u, 256u, 65536u}) EXPECT_EQ(to_unmap(pages), (Asked{1, 1})) << pages;
}

// Page by page as long as that is quicker than to walk again for all that the space had cached.
TEST_F(Cost, UnmappingWithoutRangesIsByPageAndThenByTheWholeTag) {
    unit.facts.idr3 &= ~(1u << 10);
    contain();
    EXPECT_EQ(to_unmap(1), (Asked{1, 1}));
    EXPECT_EQ(to_unmap(16), (Asked{16, 1}));
    EXPECT_EQ(to_unmap(64), (Asked{64, 2}));
    for (const std::uint64_t pages : {65u, 256u, 65536u}) EXPECT_EQ(to_unmap(pages), (Asked{1, 1})) << pages;
}

// A second stream on a space: its entry, and nothing of the space's tables, whether these hold a page or 64 GiB.
TEST_F(Cost, AnotherStreamOnASpaceCostsTheSameWhateverTheSpaceHolds) {
    contain();
    std::vector<std::pair<std::size_t, Asked>> costs;
    const std::uint64_t sizes[] = {page, 1024 * page, std::uint64_t{64} << 30};
    for (std::size_t i = 0; i < std::size(sizes); ++i) {
        // The second of them as pages, the last as blocks of 1 GiB.
        const std::uint64_t at = std::uint64_t{64 * (i + 1)} << 30;
        ASSERT_TRUE(map(*space, at, i == 1 ? at + page : at, sizes[i]));
        const std::uint32_t stream = stranger + std::uint32_t(i);
        unit.commands.clear();
        const std::uint64_t frames = space->table_frames();
        const std::size_t stored = stores([&] { ASSERT_TRUE(driver->attach(StreamId{stream}, *space)); });
        EXPECT_EQ(space->table_frames(), frames);
        EXPECT_EQ(unit.dma(stream, at + sizes[i] - 1), (i == 1 ? at + page : at) + sizes[i] - 1);
        costs.emplace_back(stored, asked());
    }
    for (const auto& [stored, asked_for] : costs) {
        EXPECT_EQ(stored, 4u) << "words of an entry";
        EXPECT_EQ(asked_for, costs.front().second);
    }
    EXPECT_LE(costs.front().second.commands, 2u);
}

}  // namespace
}  // namespace smmu::units::smmuv3
