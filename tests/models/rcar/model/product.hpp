// SPDX-License-Identifier: Apache-2.0
// Product: which chip of which cut the model is: its cache units, their places, and the masters
// that are wired to them.
//
// How many micro-TLBs a cache unit really has is not public. The model gives each unit the next
// multiple of eight above the highest number that any public list names, and eight to a unit of
// which nothing is known.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace smmu::model::rcar {

// What a unit needs to have power for.
enum class Domain : std::uint8_t { always_on, a3vp, a3vc, a3ir };

struct UnitFacts {
    std::string name;
    std::uint64_t base = 0;
    std::optional<unsigned> bit;  // of IMSSTR
    unsigned slots = 8;           // micro-TLBs
    Domain domain = Domain::always_on;
    bool is_cache_off_at_start = false;  // by firmware, in IMSCTLR
};

// A bus master: a DMA engine at `base`, one channel for each of `slots`.
struct MasterFacts {
    std::string name;
    std::uint64_t base = 0;
    std::string unit;
    std::vector<unsigned> slots;
    std::string compatible;  // in the device tree; empty: the tree does not know it
};

struct Product {
    std::string name;
    std::string soc;  // as in "renesas,SOC"
    std::uint32_t prr = 0;
    unsigned generation = 3;
    unsigned contexts = 8;
    bool has_wide_formats = false;  // VA64 and the stage-2 format
    bool has_stale_caches = false;  // flushes of a cache unit are lost while its cache is on
    std::uint64_t main_base = 0;
    std::optional<unsigned> main_bit;  // of IMSSTR
    unsigned interrupt = 0;            // SPI, non-secure
    std::vector<UnitFacts> units;
    std::vector<MasterFacts> masters;

    std::uint64_t window_bytes() const { return generation == 4 ? 0x20000 : 0x1000; }
};

// "h3-es1", "h3-es2", "h3-es3", "v4h"; nothing for any other.
std::optional<Product> product(std::string_view name);

}  // namespace smmu::model::rcar
