// SPDX-License-Identifier: Apache-2.0
// Product: what is known of a chip and its cuts: which cache units it has and where, which of them can lose power, which
// formats of tables its main unit walks.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/address.hpp"
#include "topology/topology.hpp"
#include "units/ipmmu/places.hpp"

namespace smmu::units::ipmmu {

// What a cache unit needs to have power for.
enum class Domain : std::uint8_t { always_on, a3vp, a3vc, a3ir };
std::string_view name(Domain domain);  // "A3VP", ...

struct KnownCache {
    std::string_view name;
    std::uint64_t base;
    std::optional<unsigned> status_bit;  // of IMSSTR, where public
    Domain domain = Domain::always_on;
};

struct Product {
    std::string_view name;  // "R-Car H3 ES3"
    std::uint32_t code, first_cut, last_cut;
    Places places;
    PhysAddr main;
    bool has_stage2;  // VA64 and the stage-2 format
    // Flushes of a cache unit are lost while its cache is on: IMSCTLR has to turn it off first.
    bool loses_flushes;
    std::span<const KnownCache> caches;
};

inline constexpr PhysAddr product_register{0xfff00044};
// What the product register says: 14:8 the product, 7:0 the cut.
constexpr topology::Chip chip_of(std::uint32_t word) { return {word >> 8 & 0x7f, word & 0xff}; }

// nullptr: not known to this driver.
const Product* find_product(topology::Chip chip);
// "R-Car H3 ES3 (0x4f.0x20)".
std::string describe(topology::Chip chip);

}  // namespace smmu::units::ipmmu
