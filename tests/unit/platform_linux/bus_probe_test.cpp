// SPDX-License-Identifier: Apache-2.0
// A read is tried by a child, which may be lost over it: a file's mapping past its end stands for registers without power.
#include "platform/linux/bus_probe.hpp"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/unique_fd.hpp"

namespace smmu::platform::linux {
namespace {

class BusProbe : public testing::Test {
protected:
    static constexpr std::size_t bytes = 4096;
    // What a file of so many bytes holds of a page.
    std::span<const std::byte> mapped(off_t file_bytes) {
        const UniqueFd file(memfd_create("registers", MFD_CLOEXEC));
        EXPECT_EQ(ftruncate(file.get(), file_bytes), 0);
        view_ = mmap(nullptr, bytes, PROT_READ, MAP_SHARED, file.get(), 0);
        EXPECT_NE(view_, MAP_FAILED);
        return {static_cast<const std::byte*>(view_), bytes};
    }
    ~BusProbe() override {
        if (view_ != nullptr) munmap(view_, bytes);
    }
    void* view_ = nullptr;
};

TEST_F(BusProbe, WhatAnswersIsFine) { EXPECT_TRUE(probe_first_register(mapped(bytes))); }

TEST_F(BusProbe, ABusErrorIsTheChildsAlone) {
    const auto done = probe_first_register(mapped(0));
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code, EIO);
    EXPECT_NE(done.error().text.find("bus error"), std::string::npos) << done.error().text;
}

TEST_F(BusProbe, NoRoomForARegister) { EXPECT_EQ(probe_first_register(mapped(bytes).first(3)).error().code, EINVAL); }

}  // namespace
}  // namespace smmu::platform::linux
