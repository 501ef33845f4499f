// SPDX-License-Identifier: Apache-2.0
// Walker: how the main unit reads tables: long descriptors of stage 1 with 32 or more bits of
// address, or of stage 2. It remembers the tables it passed until its context is flushed.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <variant>

#include "tests/models/common/model/complaints.hpp"
#include "tests/models/common/model/memory.hpp"
#include "tests/models/rcar/model/tlb.hpp"

namespace smmu::model::rcar {

// How a context's tables begin, as its registers say.
struct Tables {
    std::uint64_t root = 0;
    unsigned input_bits = 32;
    unsigned start_level = 1;
    bool is_stage2 = false;
    bool has_attributes[2] = {false, false};  // IMMAIR0 and 1 were written
};

class Walker {
public:
    Walker(const Memory& memory, View& view, Complaints& complaints)
        : memory_(memory), view_(view), complaints_(complaints) {}

    // The leaf of `address`, or what IMSTR says.
    std::variant<Translation, std::uint32_t> walk(unsigned context, const Tables& tables,
                                                  std::uint64_t address);
    // The size of the leaf that memory now has for `address`, as a power of two; nothing when there
    // is none. Looks, and remembers nothing.
    std::optional<unsigned> leaf_shift(const Tables& tables, std::uint64_t address) const;
    void forget(unsigned context);
    bool remembers(unsigned context) const;

private:
    struct Table {
        std::uint64_t address;
        bool read_only;  // said by a descriptor above
    };

    std::variant<std::uint64_t, std::uint32_t> load(std::uint64_t at, unsigned level);
    std::uint32_t check_table(const Tables& tables, std::uint64_t word, unsigned level);
    std::variant<Translation, std::uint32_t> leaf(const Tables& tables, std::uint64_t word,
                                                  unsigned level, bool read_only);
    std::uint32_t refuse(std::uint32_t status, unsigned level, const std::string& why);

    const Memory& memory_;
    View& view_;
    Complaints& complaints_;
    std::map<std::tuple<unsigned, unsigned, std::uint64_t>, Table> passed_;
};

}  // namespace smmu::model::rcar
