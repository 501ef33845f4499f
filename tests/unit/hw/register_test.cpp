// SPDX-License-Identifier: Apache-2.0
// Registers and fields: what compiles, what does not, and what reaches the device.
#include "hw/register.hpp"

#include <gtest/gtest.h>

#include <map>
#include <type_traits>

namespace {

using namespace smmu;

struct Control : hw::Register<std::uint32_t, 0x18> {
    [[maybe_unused]] static constexpr const char* name = "CONTROL";
    static constexpr hw::Field<Control> enable{"EN", 31};
    static constexpr hw::Field<Control> mode{"MODE", 5, 3};
    static constexpr auto fields = hw::list(enable, mode);
};
struct Pointer : hw::Register<std::uint64_t, 0x20> {
    [[maybe_unused]] static constexpr const char* name = "POINTER";
    static constexpr hw::Field<Pointer> address{"ADDR", 63, 12};
    static constexpr hw::Field<Pointer> size{"SIZE", 3, 0};
    static constexpr auto fields = hw::list(address, size);
};
struct Overlapping : hw::Register<std::uint32_t, 0> {
    static constexpr hw::Field<Overlapping> a{"A", 7, 4};
    static constexpr hw::Field<Overlapping> b{"B", 4, 0};
    static constexpr auto fields = hw::list(a, b);
};
struct TooHigh : hw::Register<std::uint32_t, 0> {
    static constexpr hw::Field<TooHigh> a{"A", 32};
    static constexpr auto fields = hw::list(a);
};

static_assert(hw::is_sound<Control>() && hw::is_sound<Pointer>());
static_assert(!hw::is_sound<Overlapping>() && !hw::is_sound<TooHigh>());
static_assert((Control::enable(1) | Control::mode(5)).raw() == 0x8000'0028);
static_assert(Control::mode.largest() == 7 && Control::mode.mask() == 0x38);
static_assert(hw::Bits<Control>(0x8000'0028)[Control::mode] == 5);
static_assert(hw::Bits<Control>(0x8000'0028).without(Control::enable).raw() == 0x28);

template <class A, class B>
concept CanCombine = requires(A a, B b) { a | b; };
static_assert(CanCombine<hw::Bits<Control>, hw::Bits<Control>>);
static_assert(!CanCombine<hw::Bits<Control>, hw::Bits<Pointer>>);

template <class R, class F>
concept CanLookUp = requires(hw::Bits<R> bits, hw::Field<F> field) { bits[field]; };
static_assert(CanLookUp<Control, Control>);
static_assert(!CanLookUp<Control, Pointer>);

template <class A, class B>
concept CanList = requires(hw::Field<A> a, hw::Field<B> b) { hw::list<A>(a, b); };
static_assert(!CanList<Control, Pointer>);

class Words final : public hw::Mmio {
public:
    std::uint32_t read32(std::uint64_t offset) noexcept override {
        return static_cast<std::uint32_t>(words[offset]);
    }
    std::uint64_t read64(std::uint64_t offset) noexcept override { return words[offset]; }
    void write32(std::uint64_t offset, std::uint32_t value) noexcept override {
        words[offset] = value;
        ++narrow;
    }
    void write64(std::uint64_t offset, std::uint64_t value) noexcept override {
        words[offset] = value;
        ++wide;
    }
    std::map<std::uint64_t, std::uint64_t> words;
    int narrow = 0, wide = 0;
};

TEST(Registers, AccessesHaveTheWidthAndPlaceOfTheRegister) {
    Words words;
    const hw::Registers registers(words);
    registers.write(Control::enable(1) | Control::mode.of(2));
    registers.write(Pointer::address.of_address(0x1234'5000) | Pointer::size(3), 0x100);
    EXPECT_EQ(words.words[0x18], 0x8000'0010u);
    EXPECT_EQ(words.words[0x120], 0x1234'5003u);
    EXPECT_EQ(words.narrow, 1);
    EXPECT_EQ(words.wide, 1);
    const auto pointer = registers.read<Pointer>(0x100);
    EXPECT_EQ(pointer.in_place(Pointer::address), 0x1234'5000u);
    EXPECT_EQ(pointer[Pointer::address], 0x12345u);
    EXPECT_EQ(pointer[Pointer::size], 3u);
    EXPECT_TRUE(registers.read<Control>().has(Control::enable));
}

TEST(Registers, ListNamesEveryFieldOnce) {
    EXPECT_EQ(Control::fields.size(), 2u);
    EXPECT_STREQ(Control::fields[1].name, "MODE");
}

TEST(RegistersDeathTest, NumbersTooWideAreAnInternalError) {
    EXPECT_DEATH((void)Control::mode.of(8), "largest");
    EXPECT_DEATH((void)Pointer::address.of_address(0x1234), "address");
}

}  // namespace
