// SPDX-License-Identifier: Apache-2.0
// Addresses as types: what a device issues (Iova) is never mixed up with what memory answers to (PhysAddr).
#pragma once

#include <compare>
#include <cstdint>

namespace smmu {

template <class Tag>
struct Address {
    std::uint64_t value = 0;

    friend constexpr auto operator<=>(Address, Address) = default;
    friend constexpr Address operator+(Address a, std::uint64_t bytes) { return {a.value + bytes}; }
    friend constexpr Address operator-(Address a, std::uint64_t bytes) { return {a.value - bytes}; }
    // Distance in bytes; `a` must not lie below `b`.
    friend constexpr std::uint64_t operator-(Address a, Address b) { return a.value - b.value; }
};

using Iova = Address<struct IovaTag>;          // device address: what a device puts on the bus
using PhysAddr = Address<struct PhysAddrTag>;  // system physical address

template <class A>
constexpr A align_down(A address, unsigned size_log2) {
    return {address.value & ~((std::uint64_t{1} << size_log2) - 1)};
}
template <class A>
constexpr bool is_aligned(A address, unsigned size_log2) {
    return (address.value & ((std::uint64_t{1} << size_log2) - 1)) == 0;
}

}  // namespace smmu
