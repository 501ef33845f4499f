// SPDX-License-Identifier: Apache-2.0
// Files that clients offer: what is taken into view, and what one file, or one descriptor, must not gain by another.
#include "units/vfio/client_view.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <sys/mman.h>
#include <unistd.h>

namespace smmu::units::vfio {
namespace {

constexpr std::uint64_t page = 4096;
constexpr unsigned sealed = F_SEAL_SHRINK | F_SEAL_GROW;

class ClientViewTest : public ::testing::Test {
protected:
    static UniqueFd file(std::uint64_t pages, unsigned seals = sealed, bool filled = true) {
        UniqueFd made(memfd_create("guest", MFD_CLOEXEC | MFD_ALLOW_SEALING));
        EXPECT_EQ(ftruncate(made.get(), off_t(pages * page)), 0);
        if (filled) {
            EXPECT_EQ(fallocate(made.get(), 0, 0, off_t(pages * page)), 0);
        }
        EXPECT_EQ(fcntl(made.get(), F_ADD_SEALS, seals), 0);
        return made;
    }
    static UniqueFd again(const UniqueFd& file) { return UniqueFd(dup(file.get())); }
    int code(UniqueFd file, std::uint64_t offset = 0, std::uint64_t length = page) {
        const auto held = views_.hold(std::move(file), offset, length);
        return held ? 0 : held.error().code;
    }
    ClientViews views_;
};

TEST_F(ClientViewTest, PiecesOfOneFileContinueEachOther) {
    const UniqueFd memory = file(4);
    const auto first = views_.hold(again(memory), 0, page), second = views_.hold(again(memory), page, page);
    ASSERT_TRUE(first && second);
    EXPECT_EQ((*second)->extents().front().first.value, (*first)->extents().front().last.value + 1);
    EXPECT_EQ((*first)->cost().bytes, page);
    EXPECT_EQ((*first)->cost().descriptors, 1u) << "pieces are counted";
}

TEST_F(ClientViewTest, ADescriptorThatMayOnlyReadGainsNothingByAnother) {
    const UniqueFd memory = file(1);
    const auto held = views_.hold(again(memory), 0, page);
    ASSERT_TRUE(held);
    EXPECT_EQ(code(UniqueFd(open(fmt::format("/proc/self/fd/{}", memory.get()).c_str(), O_RDONLY | O_CLOEXEC))), EINVAL);
    ASSERT_EQ(fcntl(memory.get(), F_ADD_SEALS, F_SEAL_FUTURE_WRITE), 0);
    EXPECT_EQ(code(again(memory)), EINVAL) << "nobody is to write it from now on";
}

TEST_F(ClientViewTest, OnlyFilledFilesThatKeepTheirSizeAreTaken) {
    EXPECT_EQ(code(file(1, F_SEAL_GROW)), EINVAL);
    EXPECT_EQ(code(file(1, F_SEAL_SHRINK)), EINVAL);
    EXPECT_EQ(code(file(4, sealed, false)), EINVAL) << "all holes";
    EXPECT_EQ(code(file(1), 0, 2 * page), EINVAL);
    EXPECT_EQ(code(file(1), 2 * page, page), EINVAL);
    EXPECT_EQ(code(file(1), 0, 0), EINVAL);
    EXPECT_EQ(code(file(std::uint64_t{5} << 22, sealed, false), 0, std::uint64_t{17} << 30), E2BIG);
    EXPECT_EQ(code(UniqueFd(open("/dev/zero", O_RDWR | O_CLOEXEC))), EINVAL);
    EXPECT_EQ(code(file(1)), 0);
}

}  // namespace
}  // namespace smmu::units::vfio
