// SPDX-License-Identifier: Apache-2.0
// The driver with granules of 16 and 64 KiB on emulated hardware, which has them all: it is told of one only, so that
// somebody else's walker judges what the driver writes for it. Real DMA, either stage.
#include "tests/board/board_fixture.hpp"
#include "units/smmuv3/unit.hpp"

namespace smmu::test {
namespace {

using units::smmuv3::Idr5;

// The unit's registers, but for the granules.
class OneGranule final : public hw::Mmio {
public:
    OneGranule(link::Client& client, unsigned granule_log2) : client_(client), granule_log2_(granule_log2) {}
    std::uint32_t read32(std::uint64_t at) noexcept override {
        const auto value = static_cast<std::uint32_t>(client_.read(registers + at, 4));
        if (at != Idr5::offset) return value;
        constexpr std::uint32_t all = 7u << 4;
        return (value & ~all) | (value & 1u << (4 + (granule_log2_ - 12) / 2));
    }
    std::uint64_t read64(std::uint64_t at) noexcept override { return client_.read(registers + at, 8); }
    void write32(std::uint64_t at, std::uint32_t value) noexcept override { client_.write(registers + at, 4, value); }
    void write64(std::uint64_t at, std::uint64_t value) noexcept override { client_.write(registers + at, 8, value); }

private:
    static constexpr PhysAddr registers = virt::smmu_registers.first;
    link::Client& client_;
    unsigned granule_log2_;
};

class Collected final : public units::RefusalSink {
public:
    void refused(const units::Refusal& refusal) noexcept override { all.push_back(refusal); }
    std::vector<units::Refusal> all;
};

Result<void> apply(units::AddressSpace& space, const units::Change& change) {
    const units::Change changes[] = {change};
    SMMU_TRY(units::Plan plan, space.prepare(changes));
    units::Budget budget;
    for (;;) {
        SMMU_TRY(const units::Progress progress, space.commit(plan, budget));
        if (progress == units::Progress::done) return {};
    }
}

struct Shape {
    const char* board;
    unsigned granule_log2;
};

class VirtGranules : public testing::TestWithParam<Shape> {
protected:
    static constexpr PhysAddr memory{0x4200'0000}, tables{0x4300'0000};
    static constexpr std::uint64_t table_bytes = 16u << 20;

    void SetUp() override {
        auto started = BoardProcess::start(GetParam().board);
        ASSERT_TRUE(started) << started.error().text;
        board_ = std::move(*started);
        auto connected = board_->connect();
        ASSERT_TRUE(connected) << connected.error().text;
        client_ = std::move(*connected);
        auto mapped = Ram::map(*client_);
        ASSERT_TRUE(mapped) << mapped.error().text;
        ram_.emplace(std::move(*mapped));
        auto arena = memory::Arena::open({{tables, tables + (table_bytes - 1)}, ram_->at(tables, table_bytes)}, {1, 2, 3});
        ASSERT_TRUE(arena) << arena.error().text;
        arena_ = std::move(*arena);
        auto registers = std::make_unique<OneGranule>(*client_, GetParam().granule_log2);
        const auto features = units::smmuv3::Features::read(hw::Registers(*registers), "unit");
        ASSERT_TRUE(features) << features.error().text;
        auto made = units::smmuv3::SmmuV3Unit::create(std::move(registers), *features, "unit", *arena_, account_, clock_, 44);
        ASSERT_TRUE(made) << made.error().text;
        unit_ = std::move(*made);
        space_ = *unit_->create_space(account_);
    }
    void TearDown() override {
        if (!space_) return;
        EXPECT_TRUE(unit_->block(q35::edu_a.stream(), units::Recording::on));
        EXPECT_TRUE(unit_->retire(std::move(space_)));
    }
    std::uint64_t granule() const { return std::uint64_t{1} << GetParam().granule_log2; }
    Result<void> map(std::uint64_t at, PhysAddr physical, std::uint64_t length) {
        return apply(*space_, paging::Map{{{at}, {at + length - 1}}, physical, read_write});
    }
    // Whether what the device writes at `address` arrives at `physical`.
    bool arrives(Edu& edu, std::uint64_t address, PhysAddr physical) {
        ram_->store(physical, ++last_);
        // The device's own memory is filled by way of a page that is always open.
        ram_->store(memory, last_);
        EXPECT_TRUE(edu.dma_in({own_page}, 8));
        ram_->store<std::uint64_t>(physical, 0);
        EXPECT_TRUE(edu.dma_out({address}, 8));
        return ram_->load<std::uint64_t>(physical) == last_;
    }
    static constexpr std::uint64_t own_page = 0x10'0000;

    std::unique_ptr<BoardProcess> board_;
    std::unique_ptr<link::Client> client_;
    std::optional<Ram> ram_;
    SteadyClock clock_;
    memory::Account account_;
    std::unique_ptr<memory::Arena> arena_;
    std::unique_ptr<units::smmuv3::SmmuV3Unit> unit_;
    std::unique_ptr<units::AddressSpace> space_;
    std::uint64_t last_ = 0x1122'3344'0000;
};

TEST_P(VirtGranules, DmaGoesWherePagesAndBlocksLead) {
    // QEMU 10.0 walks only the first of root tables that lie side by side: it clears the bits by which it had found the right
    // one. With 64 KiB and 44 bits there are four, so addresses stay within the first, below 2^42.
    const std::uint64_t block = granule() * (granule() / 8), far = std::uint64_t{1} << 41;
    ASSERT_EQ(unit_->capabilities().granule_log2, GetParam().granule_log2);
    ASSERT_TRUE(map(own_page, memory, granule()));
    ASSERT_TRUE(map(far, memory + 2 * granule(), 2 * granule()));
    const units::Assignment streams[] = {{q35::edu_a.stream(), space_.get()}, {q35::edu_b.stream(), nullptr}};
    const auto taken = unit_->take_over(streams);
    ASSERT_TRUE(taken) << taken.error().text;
    Edu edu(*client_, q35::edu_a);
    edu.bus_master(true);
    EXPECT_TRUE(arrives(edu, far, memory + 2 * granule()));
    EXPECT_TRUE(arrives(edu, far + 2 * granule() - 8, memory + (4 * granule() - 8)));
    EXPECT_FALSE(arrives(edu, far + 2 * granule(), memory + 4 * granule()));

    // Where the block of device addresses leads there is RAM in the part that is looked at.
    const PhysAddr at = align_down(memory, unsigned(std::countr_zero(block)));
    const std::uint64_t offset = memory - at + 3 * granule();
    ASSERT_TRUE(map(2 * block, at, block));
    EXPECT_TRUE(arrives(edu, 2 * block + offset, at + offset));
    ASSERT_TRUE(apply(*space_, paging::Unmap{{{2 * block + offset}, {2 * block + offset + granule() - 1}}}));
    EXPECT_FALSE(arrives(edu, 2 * block + offset, at + offset)) << "a page of the block was taken out";
    EXPECT_TRUE(arrives(edu, 2 * block + offset + granule(), at + (offset + granule())));
    EXPECT_TRUE(arrives(edu, 2 * block + offset - 8, at + (offset - 8)));

    ASSERT_TRUE(apply(*space_, paging::Unmap{{{far}, {far + 2 * granule() - 1}}}));
    Collected seen;
    (void)unit_->drain(seen);
    seen.all.clear();
    EXPECT_FALSE(arrives(edu, far + granule(), memory + 3 * granule()));
    (void)unit_->drain(seen);
    ASSERT_FALSE(seen.all.empty());
    EXPECT_EQ(seen.all.front().stream, q35::edu_a.stream());
    EXPECT_EQ(seen.all.front().address, Iova{far + granule()});
    EXPECT_EQ(seen.all.front().reason, units::Refusal::Reason::not_mapped);
    Edu other(*client_, q35::edu_b);
    other.bus_master(true);
    EXPECT_FALSE(arrives(other, own_page, memory + granule() - 8));
}

INSTANTIATE_TEST_SUITE_P(Boards, VirtGranules,
                         testing::Values(Shape{"virt-smmuv3", 12}, Shape{"virt-smmuv3", 14}, Shape{"virt-smmuv3", 16},
                                         Shape{"virt-smmuv3-s1", 14}, Shape{"virt-smmuv3-s1", 16}),
                         [](const auto& shape) {
                             std::string word = shape.param.board;
                             std::ranges::replace(word, '-', '_');
                             return word + "_" + std::to_string((1u << shape.param.granule_log2) / 1024) + "K";
                         });

}  // namespace
}  // namespace smmu::test
