// SPDX-License-Identifier: Apache-2.0
// Register, Field, Bits: a hardware register as a type, so that the wrong combination does not
// compile.
//
//   struct Gsts : hw::Register<std::uint32_t, 0x1c> {
//       static constexpr const char* name = "GSTS";
//       static constexpr hw::Field<Gsts> translation_enabled{"TES", 31};
//       static constexpr auto fields = hw::list(translation_enabled);
//   };
//
// Fields of two registers cannot be combined; a constant that is too wide for its field is a
// compile error; the list of fields is what is printed, and it is checked for overlap whenever the
// register is touched.
#pragma once

#include <array>
#include <concepts>
#include <cstdint>

#include "base/assert.hpp"
#include "hw/mmio.hpp"

namespace smmu::hw {

// Offset is in bytes from the start of the device's registers, of a register file inside it, or of
// a descriptor in memory.
template <class RawType, std::uint64_t Offset>
struct Register {
    using Raw = RawType;
    static constexpr std::uint64_t offset = Offset;
};

template <class R>
class Bits;

// Not defined: reaching it while a constant is evaluated is the compile error "too wide for the
// field".
void constant_too_wide_for_field();

template <class R>
struct Field {
    const char* name;  // as the manual writes it
    unsigned low;
    unsigned width;

    consteval Field(const char* manual_name, unsigned bit)
        : name(manual_name), low(bit), width(1) {}
    // The manual's order: highest bit first.
    consteval Field(const char* manual_name, unsigned high_bit, unsigned low_bit)
        : name(manual_name), low(low_bit), width(high_bit - low_bit + 1) {}

    constexpr std::uint64_t largest() const {
        return width >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << width) - 1;
    }
    constexpr std::uint64_t mask() const { return largest() << low; }

    // A constant in its place.
    consteval Bits<R> operator()(std::uint64_t constant) const;
    // A number known at run time in its place; too wide is an internal error.
    constexpr Bits<R> of(std::uint64_t value) const;
    // An address in its place: the field holds the address's own bits, the bits below must be 0.
    constexpr Bits<R> of_address(std::uint64_t address) const;
};

// The contents of one register, or of some of its fields.
template <class R>
class Bits {
public:
    using Raw = typename R::Raw;

    constexpr Bits() = default;
    explicit constexpr Bits(Raw raw) : raw_(raw) {}

    constexpr Raw raw() const { return raw_; }
    constexpr Raw operator[](const Field<R>& field) const {
        return static_cast<Raw>((raw_ >> field.low) & field.largest());
    }
    constexpr bool has(const Field<R>& field) const { return (raw_ & field.mask()) != 0; }
    // The bits of the field where they stand: an address keeps its value.
    constexpr std::uint64_t in_place(const Field<R>& field) const { return raw_ & field.mask(); }
    constexpr Bits without(const Field<R>& field) const {
        return Bits(static_cast<Raw>(raw_ & ~field.mask()));
    }

    friend constexpr Bits operator|(Bits a, Bits b) {
        return Bits(static_cast<Raw>(a.raw_ | b.raw_));
    }
    friend constexpr bool operator==(Bits, Bits) = default;

private:
    Raw raw_ = 0;
};

template <class R>
consteval Bits<R> Field<R>::operator()(std::uint64_t constant) const {
    if (constant > largest()) constant_too_wide_for_field();
    return Bits<R>(static_cast<typename R::Raw>(constant << low));
}

template <class R>
constexpr Bits<R> Field<R>::of(std::uint64_t value) const {
    SMMU_ASSERT(value <= largest());
    return Bits<R>(static_cast<typename R::Raw>(value << low));
}

template <class R>
constexpr Bits<R> Field<R>::of_address(std::uint64_t address) const {
    SMMU_ASSERT((address & ~mask()) == 0);
    return Bits<R>(static_cast<typename R::Raw>(address));
}

// The fields of a register, once, for printing and for the check below.
template <class R, std::same_as<Field<R>>... More>
consteval std::array<Field<R>, 1 + sizeof...(More)> list(Field<R> first, More... more) {
    return {first, more...};
}

// Every field inside the register and no two on one bit.
template <class R>
consteval bool is_sound() {
    std::uint64_t seen = 0;
    for (const Field<R>& field : R::fields) {
        if (field.width == 0 || field.low + field.width > 8 * sizeof(typename R::Raw)) return false;
        if ((seen & field.mask()) != 0) return false;
        seen |= field.mask();
    }
    return true;
}

// The registers of one device, by type. `base` shifts registers whose place the device itself
// tells.
class Registers {
public:
    explicit Registers(Mmio& mmio) : mmio_(&mmio) {}

    template <class R>
    Bits<R> read(std::uint64_t base = 0) const noexcept {
        static_assert(is_sound<R>(), "fields overlap or leave the register");
        if constexpr (sizeof(typename R::Raw) == 4)
            return Bits<R>(mmio_->read32(base + R::offset));
        else
            return Bits<R>(mmio_->read64(base + R::offset));
    }

    template <class R>
    void write(Bits<R> value, std::uint64_t base = 0) const noexcept {
        static_assert(is_sound<R>(), "fields overlap or leave the register");
        if constexpr (sizeof(typename R::Raw) == 4)
            mmio_->write32(base + R::offset, value.raw());
        else
            mmio_->write64(base + R::offset, value.raw());
    }

private:
    Mmio* mmio_;
};

}  // namespace smmu::hw
