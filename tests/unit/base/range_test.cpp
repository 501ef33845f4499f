// SPDX-License-Identifier: Apache-2.0
// Ranges at the ends of the address space, bytes at the ends of a buffer.
#include "base/range.hpp"

#include <gtest/gtest.h>

#include <array>

#include "base/access.hpp"
#include "base/byte_reader.hpp"

namespace smmu {
namespace {

constexpr std::uint64_t top = ~std::uint64_t{0};

TEST(Range, FromLengthRefusesEmptyAndWrapping) {
    EXPECT_EQ(IovaRange::from_length(Iova{0}, 0), std::nullopt);
    EXPECT_EQ(IovaRange::from_length(Iova{top}, 2), std::nullopt);
    EXPECT_EQ(IovaRange::from_length(Iova{top}, 1), (IovaRange{Iova{top}, Iova{top}}));
    EXPECT_EQ(IovaRange::from_length(Iova{1}, top), (IovaRange{Iova{1}, Iova{top}}));
}

TEST(Range, OverlapsTouchIntersect) {
    const IovaRange a{Iova{10}, Iova{19}}, b{Iova{19}, Iova{30}}, c{Iova{20}, Iova{30}};
    EXPECT_TRUE(a.overlaps(b));
    EXPECT_FALSE(a.overlaps(c));
    EXPECT_EQ(a.intersection(b), (IovaRange{Iova{19}, Iova{19}}));
    EXPECT_EQ(a.intersection(c), std::nullopt);
    EXPECT_TRUE(a.contains(IovaRange{Iova{10}, Iova{19}}));
    EXPECT_FALSE(a.contains(b));
}

TEST(Range, RoundedOutAtTheTop) {
    EXPECT_EQ((IovaRange{Iova{top - 5}, Iova{top}}.rounded_out(12)), (IovaRange{Iova{top - 4095}, Iova{top}}));
}

TEST(Access, PermitsAndComplement) {
    EXPECT_TRUE(permits(read_write, Access::write));
    EXPECT_FALSE(permits(Access::read, read_write));
    EXPECT_EQ(~read_write, Access::execute | Access::registers);
    EXPECT_TRUE(permits(Access::none, Access::none));
}

TEST(ByteReader, NeverPastTheEnd) {
    const std::array<std::byte, 5> bytes{std::byte{1}, std::byte{2}, std::byte{3}, std::byte{4}, std::byte{5}};
    const ByteReader reader(bytes);
    EXPECT_EQ(reader.at<std::uint32_t>(1), 0x05040302u);
    EXPECT_EQ(reader.at<std::uint32_t>(2), std::nullopt);
    EXPECT_EQ(reader.at<std::uint8_t>(5), std::nullopt);
    EXPECT_EQ(reader.at<std::uint16_t>(~std::size_t{0}), std::nullopt);
    EXPECT_EQ(reader.slice(5, 1).has_value(), false);
    EXPECT_EQ(reader.slice(3, 2)->at<std::uint16_t>(0), 0x0504u);
    EXPECT_EQ(reader.slice(1, ~std::size_t{0}).has_value(), false);
}

}  // namespace
}  // namespace smmu
