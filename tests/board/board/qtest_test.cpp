// SPDX-License-Identifier: Apache-2.0
// The qtest line client against answers that are written for it beforehand.
#include "board/qtest.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <optional>
#include <string_view>

namespace smmu::board {
namespace {

class QtestLines : public testing::Test {
protected:
    void SetUp() override {
        std::array<int, 2> ends{};
        ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
        qtest_.emplace(UniqueFd(ends[0]));
        qemu_.reset(ends[1]);
    }
    void answer(std::string_view lines) const {
        ASSERT_EQ(write(qemu_.get(), lines.data(), lines.size()),
                  static_cast<ssize_t>(lines.size()));
    }

    std::optional<Qtest> qtest_;
    UniqueFd qemu_;
    const std::array<link::Operation, 3> operations_ = {link::Operation::read({0x1000}, 8),
                                                        link::Operation::write({0x1000}, 4, 7),
                                                        link::Operation::port_in(0xcfc, 2)};
    std::array<std::uint64_t, 2> values_{};
};

TEST_F(QtestLines, InterruptLinesArePassedOver) {
    answer("IRQ raise 3\nOK 0xffffffffffffffff\nIRQ lower 3\nOK\nOK 0x1234\n");
    const auto done = qtest_->perform(operations_, values_);
    ASSERT_TRUE(done) << done.error().text;
    EXPECT_EQ(values_, (std::array<std::uint64_t, 2>{~std::uint64_t{0}, 0x1234}));
    std::array<char, 256> sent{};
    ASSERT_GT(read(qemu_.get(), sent.data(), sent.size() - 1), 0);
    EXPECT_STREQ(sent.data(), "readq 0x1000\nwritel 0x1000 0x7\ninw 0xcfc\n");
}

TEST_F(QtestLines, OtherAnswersAreErrors) {
    answer("FAIL Unknown command\n");
    EXPECT_EQ(qtest_->perform(operations_, values_).error().code, EPROTO);
}

TEST_F(QtestLines, AReadNeedsAValue) {
    answer("OK\nOK\nOK 0x1\n");
    EXPECT_EQ(qtest_->perform(operations_, values_).error().code, EPROTO);
}

TEST_F(QtestLines, ClosedIsAnError) {
    qemu_.reset();
    EXPECT_FALSE(qtest_->perform(operations_, values_));
}

}  // namespace
}  // namespace smmu::board
