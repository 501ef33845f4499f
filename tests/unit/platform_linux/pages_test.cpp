// SPDX-License-Identifier: Apache-2.0
// Pages: where they lie, and which of them lie in a row.
#include <gmock/gmock.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fake_host.hpp"
#include "platform/linux/page_map.hpp"
#include "platform/linux/page_run.hpp"

namespace smmu::platform::linux {
namespace {

using test::FakeHost;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::uint64_t big = 0x200000;
constexpr std::uint64_t present = std::uint64_t{1} << 63;

std::vector<PhysAddr> at(std::initializer_list<std::uint64_t> pages) {
    std::vector<PhysAddr> addresses;
    for (const std::uint64_t page : pages) addresses.push_back(PhysAddr{page * big});
    return addresses;
}

TEST(PageRun, InTheOrderOfAddresses) {
    EXPECT_THAT(page_run(at({7, 6, 5, 4}), big, 4), ElementsAre(3, 2, 1, 0));
    EXPECT_THAT(page_run(at({9, 4, 6, 5, 1}), big, 3), ElementsAre(1, 3, 2));
}

TEST(PageRun, TheLowestThatIsLongEnough) {
    EXPECT_THAT(page_run(at({10, 11, 12, 2, 3, 20, 21, 22}), big, 2), ElementsAre(3, 4));
    EXPECT_THAT(page_run(at({10, 11, 12, 2, 3, 20, 21, 22}), big, 3), ElementsAre(0, 1, 2));
    EXPECT_THAT(page_run(at({1, 2, 3, 4}), big, 2), ElementsAre(0, 1)) << "no more than wanted";
}

TEST(PageRun, TheLongestWhenNoneIs) {
    EXPECT_THAT(page_run(at({1, 3, 4, 8, 9, 10}), big, 5), ElementsAre(3, 4, 5));
    EXPECT_THAT(page_run(at({5}), big, 2), ElementsAre(0));
    EXPECT_THAT(page_run({}, big, 2), IsEmpty());
}

TEST(Extents, NeighboursAreJoined) {
    EXPECT_THAT(extents_of(at({4, 5, 9, 8}), big),
                ElementsAre(PhysRange{{4 * big}, {6 * big - 1}}, PhysRange{{9 * big}, {10 * big - 1}}, PhysRange{{8 * big}, {9 * big - 1}}));
}

TEST(PageMap, AWord) {
    EXPECT_EQ(frame_number(0), std::nullopt);
    EXPECT_EQ(frame_number(0x1234), std::nullopt) << "swapped out";
    EXPECT_EQ(frame_number(present | 0x1234), 0x1234u);
    EXPECT_EQ(frame_number(~std::uint64_t{0}), (std::uint64_t{1} << 55) - 1) << "flags above the number";
}

TEST(PageMap, PagesOfAView) {
    const FakeHost host;
    const auto page = std::uint64_t(sysconf(_SC_PAGESIZE));
    std::byte* const somewhere = static_cast<std::byte*>(mmap(nullptr, 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    const std::span<const std::byte> view(somewhere, 2 * page);
    const auto word = [&](std::uint64_t index) { return (reinterpret_cast<std::uintptr_t>(somewhere) / page + index) * 8; };
    const auto addresses = [&]() -> Result<std::vector<PhysAddr>> {
        SMMU_TRY(const PageMap map, PageMap::open(host.files().path("/proc/self/pagemap")));
        return map.addresses(view, page);
    };
    EXPECT_EQ(addresses().error().code, ENOENT);
    host.write_at("/proc/self/pagemap", word(0), present | 0x777);
    EXPECT_EQ(addresses().error().code, EIO) << "the file ends before the second page";
    host.write_at("/proc/self/pagemap", word(1), 0x778);
    EXPECT_EQ(addresses().error().code, EIO) << "the second page is not in memory";
    host.write_at("/proc/self/pagemap", word(1), present | 0x555);
    EXPECT_THAT(*addresses(), ElementsAre(PhysAddr{0x777 * page}, PhysAddr{0x555 * page}));
    host.write_at("/proc/self/pagemap", word(1), present);
    EXPECT_EQ(addresses().error().code, EPERM) << "numbers are hidden";
    munmap(somewhere, 2 * page);
}

}  // namespace
}  // namespace smmu::platform::linux
