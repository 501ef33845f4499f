// SPDX-License-Identifier: Apache-2.0
#include "daemon/pin_quota.hpp"

#include <gmock/gmock.h>

#include <optional>

namespace smmu::daemon {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr std::uint64_t mebibyte = 1 << 20;
constexpr uid_t one = 1000, other = 1001;

TEST(PinQuota, AUserHasItsOwnLimits) {
    PinQuota quota({8 * mebibyte, 3});
    const auto first = quota.take(one, {6 * mebibyte, 1});
    ASSERT_TRUE(first);
    const auto refused = quota.take(one, {4 * mebibyte, 1});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, EDQUOT);
    EXPECT_THAT(refused.error().text, AllOf(HasSubstr("user 1000 has 6 MiB"), HasSubstr("may have 8"), HasSubstr("4 more")));
    EXPECT_TRUE(quota.check(one, {2 * mebibyte, 1})) << "just as much";
    EXPECT_TRUE(quota.take(other, {8 * mebibyte, 3})) << "somebody else";
}

TEST(PinQuota, PiecesCountToo) {
    PinQuota quota({8 * mebibyte, 3});
    const auto first = quota.take(one, {mebibyte, 2});
    ASSERT_TRUE(first);
    EXPECT_EQ(quota.take(one, {mebibyte, 2}).error().code, EDQUOT);
    EXPECT_TRUE(quota.take(one, {mebibyte, 1}));
}

TEST(PinQuota, WhatIsLetGoCanBeHadAgain) {
    PinQuota quota({8 * mebibyte, 3});
    std::optional<PinQuota::Share> share;
    share.emplace(*quota.take(one, {8 * mebibyte, 3}));
    PinQuota::Share moved = std::move(*share);
    share.reset();
    EXPECT_FALSE(quota.check(one, {1, 0})) << "it is held by the one that it was moved to";
    { const PinQuota::Share gone = std::move(moved); }
    EXPECT_TRUE(quota.check(one, {8 * mebibyte, 3}));
}

TEST(PinQuota, NumbersThatWrap) {
    PinQuota quota({8 * mebibyte, 3});
    const auto first = quota.take(one, {mebibyte, 1});
    EXPECT_FALSE(quota.check(one, {~std::uint64_t{0}, 0}));
    EXPECT_FALSE(quota.check(one, {0, ~std::uint64_t{0}}));
}

TEST(PinQuota, AShareMayOutliveIt) {
    std::optional<PinQuota> quota{PinQuota({8 * mebibyte, 3})};
    const auto share = quota->take(one, {mebibyte, 1});
    quota.reset();
    EXPECT_TRUE(share);
}

TEST(PinQuota, OfAMachine) {
    const PhysRange ram[] = {{{0}, {mebibyte - 1}}, {{4 * mebibyte}, {7 * mebibyte - 1}}};
    EXPECT_EQ(pin_limit(ram).bytes, 3 * mebibyte);
}

}  // namespace
}  // namespace smmu::daemon
