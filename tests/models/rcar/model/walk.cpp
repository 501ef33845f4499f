// SPDX-License-Identifier: Apache-2.0
#include "tests/models/rcar/model/walk.hpp"

#include <fmt/format.h>

#include "tests/models/rcar/model/registers.hpp"

namespace smmu::model::rcar {
namespace {

constexpr std::uint64_t address_mask = 0xffff'ffff'f000;  // 47:12
constexpr std::uint64_t output_limit = std::uint64_t{1} << 40;
constexpr std::uint64_t reserved_high = std::uint64_t{7} << 48;  // 50:48
constexpr unsigned last_level = 3;

constexpr bool bit(std::uint64_t word, unsigned number) {
    return (word >> number & 1) != 0;
}
constexpr unsigned shift_of(unsigned level) {
    return 12 + 9 * (last_level - level);
}

}  // namespace

std::uint32_t Walker::refuse(std::uint32_t status, unsigned level, const std::string& why) {
    complaints_.add(fmt::format("tables: {}", why));
    return status | fault::level(level);
}

std::variant<std::uint64_t, std::uint32_t> Walker::load(std::uint64_t at, unsigned level) {
    if (!view_.contains(at, 8))
        return refuse(fault::abort, level,
                      fmt::format("a level {} table at {:#x} is outside RAM", level, at));
    if (!view_.visible({{at}, {at + 7}}))
        complaints_.add(
            fmt::format("tables: the walk reads {:#x} (level {}), which was stored but "
                        "never cleaned to memory",
                        at, level));
    return view_.load(at);
}

std::uint32_t Walker::check_table(const Tables& tables, std::uint64_t word, unsigned level) {
    if ((word & reserved_high) != 0 || (word & address_mask) >= output_limit)
        return refuse(
            fault::translation | fault::format, level,
            fmt::format("reserved bits in the level {} table descriptor {:#x}", level, word));
    if (tables.is_stage2 && word >> 59 != 0)
        return refuse(fault::translation | fault::format, level,
                      fmt::format("attributes in the stage-2 table descriptor {:#x}", word));
    if (!tables.is_stage2 && !bit(word, 63))
        return refuse(fault::permission | fault::secure, level,
                      fmt::format("NSTable is 0 in the level {} descriptor {:#x}", level, word));
    return 0;
}

std::variant<Translation, std::uint32_t> Walker::leaf(const Tables& tables, std::uint64_t word,
                                                      unsigned level, bool read_only) {
    const unsigned shift = shift_of(level);
    const std::uint64_t output = word & address_mask;
    if ((output & ((std::uint64_t{1} << shift) - 1)) != 0 || output >= output_limit ||
        (word & reserved_high) != 0)
        return refuse(fault::translation | fault::format, level,
                      fmt::format("reserved bits in the level {} leaf {:#x}", level, word));
    if (!tables.is_stage2 && !bit(word, 5))
        return refuse(fault::permission | fault::secure, level,
                      fmt::format("NS is 0 in the level {} leaf {:#x}", level, word));
    if (!bit(word, 10))
        return refuse(fault::permission | fault::access, level,
                      fmt::format("AF is 0 in the level {} leaf {:#x}", level, word));
    if (const unsigned half = unsigned(word >> 4 & 1);
        !tables.is_stage2 && !tables.has_attributes[half])
        complaints_.add(
            fmt::format("tables: the level {} leaf {:#x} uses IMMAIR{}, which was never "
                        "written",
                        level, word, half));
    if ((word >> 8 & 3) == 1)
        complaints_.add(
            fmt::format("tables: SH is the reserved 1 in the level {} leaf {:#x}", level, word));
    // Stage 1 cannot say "write only": what may be written may be read.
    if (tables.is_stage2)
        return Translation{
            .shift = shift, .output = output, .readable = bit(word, 6), .writable = bit(word, 7)};
    return Translation{.shift = shift,
                       .output = output,
                       .readable = true,
                       .writable = !bit(word, 7) && !read_only};
}

std::variant<Translation, std::uint32_t> Walker::walk(unsigned context, const Tables& tables,
                                                      std::uint64_t address) {
    unsigned level = tables.start_level;
    if (address >> tables.input_bits != 0) return fault::translation | fault::level(level);
    Table table{tables.root, false};
    for (unsigned deep = last_level; deep > tables.start_level; --deep)
        if (const auto known = passed_.find({context, deep, address >> shift_of(deep - 1)});
            known != passed_.end()) {
            level = deep;
            table = known->second;
            break;
        }
    for (;; ++level) {
        std::uint64_t index = address >> shift_of(level);
        if (level != tables.start_level) index &= 511;
        const auto loaded = load(table.address + 8 * index, level);
        if (std::holds_alternative<std::uint32_t>(loaded)) return std::get<std::uint32_t>(loaded);
        const std::uint64_t word = std::get<std::uint64_t>(loaded);
        if (!bit(word, 0)) return fault::translation | fault::level(level);
        if (level == last_level && !bit(word, 1))
            return refuse(fault::translation, level,
                          fmt::format("a block {:#x} in a table of pages", word));
        if (level == last_level || !bit(word, 1)) return leaf(tables, word, level, table.read_only);
        if (const std::uint32_t wrong = check_table(tables, word, level); wrong != 0) return wrong;
        table = {word & address_mask, table.read_only || (!tables.is_stage2 && bit(word, 62))};
        passed_[{context, level + 1, address >> shift_of(level)}] = table;
    }
}

std::optional<unsigned> Walker::leaf_shift(const Tables& tables, std::uint64_t address) const {
    std::uint64_t table = tables.root;
    for (unsigned level = tables.start_level; level <= last_level; ++level) {
        std::uint64_t index = address >> shift_of(level);
        if (level != tables.start_level) index &= 511;
        if (!view_.contains(table + 8 * index, 8)) return std::nullopt;
        const std::uint64_t word = view_.load(table + 8 * index);
        if (!bit(word, 0)) return std::nullopt;
        if (level == last_level || !bit(word, 1)) return shift_of(level);
        table = word & address_mask;
    }
    return std::nullopt;
}

void Walker::forget(unsigned context) {
    std::erase_if(passed_, [&](const auto& entry) { return std::get<0>(entry.first) == context; });
}

bool Walker::remembers(unsigned context) const {
    const auto first = passed_.lower_bound({context, 0, 0});
    return first != passed_.end() && std::get<0>(first->first) == context;
}

}  // namespace smmu::model::rcar
