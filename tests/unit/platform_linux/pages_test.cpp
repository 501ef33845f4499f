// SPDX-License-Identifier: Apache-2.0
// Pages: where they lie, and which of them lie in a row.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fake_host.hpp"
#include "platform/linux/huge_file.hpp"
#include "platform/linux/page_map.hpp"
#include "platform/linux/page_pin.hpp"
#include "platform/linux/page_run.hpp"

namespace smmu::platform::linux {
namespace {

using test::FakeHost;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
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

// Pages of the usual size do here: what is mapped is the same.
TEST(HugeView, HolesAreFilledOrRefused) {
    const auto page = std::uint64_t(sysconf(_SC_PAGESIZE));
    const UniqueFd file(memfd_create("pages", MFD_CLOEXEC));
    ASSERT_EQ(ftruncate(file.get(), off_t(4 * page)), 0);
    const std::uint32_t pages[] = {2, 3, 0};
    ASSERT_TRUE(HugeView::map(file, pages, page));
    const auto refused = HugeView::map(file, pages, page, Holes::refused);
    ASSERT_FALSE(refused) << "the second page was not made";
    EXPECT_EQ(refused.error().code, EINVAL);
    ASSERT_EQ(fallocate(file.get(), 0, 0, off_t(4 * page)), 0);
    const auto view = HugeView::map(file, pages, page, Holes::refused);
    ASSERT_TRUE(view) << view.error().text;
    view->bytes()[2 * page] = std::byte{7};
    std::byte first{};
    EXPECT_EQ(pread(file.get(), &first, 1, 0), 1);
    EXPECT_EQ(first, std::byte{7}) << "the third of the view is the file's first";
}

TEST(PagePin, BuffersThatAreTooSmallForOnePage) {
    const FakeHost host;
    const std::uint32_t pages[] = {0};
    const auto pinned = [&](std::uint64_t page_bytes) { return pin_pages(host.files(), UniqueFd(), pages, page_bytes).error(); };
    EXPECT_EQ(pinned(std::uint64_t{1} << 30).code, EINVAL);
    EXPECT_THAT(pinned(std::uint64_t{1} << 30).text, AllOf(HasSubstr("huge pages of 1024 MiB"), HasSubstr("udmabuf.size_limit_mb=1024")));
    EXPECT_EQ(pinned(big).code, ENOENT) << "these fit, but there is no udmabuf";
    host.write("/sys/module/udmabuf/parameters/size_limit_mb", "1024\n");
    EXPECT_EQ(pinned(std::uint64_t{1} << 30).code, ENOENT);
}

TEST(PagePin, AKernelThatTakesNoHugePages) {
    EXPECT_THAT(why_not_pinned(EBADFD, big).text, HasSubstr("Linux 6.11"));
    EXPECT_EQ(why_not_pinned(EBADFD, big).code, EBADFD);
    EXPECT_THAT(why_not_pinned(ENOMEM, big).text, testing::Not(HasSubstr("6.11")));
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
