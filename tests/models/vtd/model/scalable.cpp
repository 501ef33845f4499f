// SPDX-License-Identifier: Apache-2.0
// Translator in scalable mode: context entries, PASID directory, PASID table.
#include <fmt/format.h>

#include <array>

#include "tests/models/vtd/model/translator.hpp"

namespace smmu::model::vtd {
namespace {

constexpr std::uint64_t upper_reserved = 0xfffull << 52;

}  // namespace

std::expected<Context, Fault> Translator::scalable_context(std::uint64_t address,
                                                           bool& fault_disabled) {
    std::array<std::uint64_t, 4> words{};
    for (std::size_t i = 0; i < words.size(); ++i) {
        const auto word = fetch(address + 8 * i, {0x40, false});
        if (!word) return std::unexpected(word.error());
        words[i] = *word;
    }
    fault_disabled = (words[0] & 2) != 0;
    if ((words[0] & 1) == 0) return std::unexpected(Fault{0x41, true});
    // Page requests, host permission tables and extended ones are not in this model.
    constexpr std::uint64_t low_reserved = 0x1f0 | upper_reserved;
    const std::uint64_t second_reserved = ~(features_.rid_pasid ? 0xfffffull : 0ull);
    if ((words[0] & (low_reserved | beyond_host())) != 0 || (words[1] & second_reserved) != 0 ||
        words[2] != 0 || words[3] != 0) {
        complain(fmt::format("reserved bits in a scalable context entry: {:#x} {:#x} {:#x} {:#x}",
                             words[0], words[1], words[2], words[3]));
        return std::unexpected(Fault{0x42, true});
    }
    Context context;
    context.device_tlb = (words[0] & 4) != 0;
    context.pasid_enabled = (words[0] & 8) != 0;
    context.directory = words[0] & address_bits();
    context.directory_bits = 13 + unsigned(words[0] >> 9 & 7);
    context.rid_pasid = std::uint32_t(words[1] & 0xfffff);
    if ((context.device_tlb && !features_.device_tlb) ||
        (context.pasid_enabled && features_.pasid_bits == 0)) {
        complain(
            fmt::format("a scalable context entry is not valid on this unit: {:#x}", words[0]));
        return std::unexpected(Fault{0x43, true});
    }
    return context;
}

CachedSpace Translator::space(std::uint16_t source, const Context& context, std::uint32_t pasid) {
    const std::pair key(source, pasid);
    if (const auto cached = caches_.spaces.find(key); cached != caches_.spaces.end())
        return cached->second;
    bool fault_disabled = false;
    const auto walked = walk_space(context, pasid, fault_disabled);
    CachedSpace found;
    if (walked) {
        found.space = *walked;
        check_domain(found.space);
    } else {
        found.fault = walked.error();
    }
    found.space.fault_disabled = fault_disabled || context.fault_disabled;
    if (walked || features_.caching_mode) caches_.spaces[key] = found;
    return found;
}

std::expected<Space, Fault> Translator::walk_space(const Context& context, std::uint32_t pasid,
                                                   bool& fault_disabled) {
    if (pasid >> context.directory_bits != 0) return std::unexpected(Fault{0x46, false});
    const auto entry = fetch(context.directory + (pasid >> 6) * 8u, {0x50, false});
    if (!entry) return std::unexpected(entry.error());
    fault_disabled = (*entry & 2) != 0;
    if ((*entry & 1) == 0) return std::unexpected(Fault{0x51, true});
    if ((*entry & (0xffc | upper_reserved | beyond_host())) != 0) {
        complain(fmt::format("reserved bits in a PASID directory entry: {:#x}", *entry));
        return std::unexpected(Fault{0x52, true});
    }
    bool disabled_below = false;
    auto found = pasid_entry((*entry & address_bits()) + (pasid & 63) * 64u, pasid, disabled_below);
    fault_disabled |= disabled_below;
    return found;
}

std::expected<Space, Fault> Translator::pasid_entry(std::uint64_t address, std::uint32_t pasid,
                                                    bool& fault_disabled) {
    std::array<std::uint64_t, 8> words{};
    for (std::size_t i = 0; i < words.size(); ++i) {
        const auto word = fetch(address + 8 * i, {0x58, false});
        if (!word) return std::unexpected(word.error());
        words[i] = *word;
    }
    fault_disabled = (words[0] & 2) != 0;
    if ((words[0] & 1) == 0) return std::unexpected(Fault{0x59, true});
    constexpr std::uint64_t low_reserved = 1 << 5 | 1 << 9 | 3 << 10 | upper_reserved;
    const bool rest_is_zero =
        words[3] == 0 && words[4] == 0 && words[5] == 0 && words[6] == 0 && words[7] == 0;
    if ((words[0] & (low_reserved | beyond_host())) != 0 ||
        (words[2] & (0xf62 | upper_reserved | beyond_host())) != 0 || !rest_is_zero) {
        complain(fmt::format("reserved bits in a PASID table entry: {:#x} {:#x} {:#x}", words[0],
                             words[1], words[2]));
        return std::unexpected(Fault{0x5a, true});
    }
    constexpr std::array stages = {Stage::none,         Stage::first, Stage::second, Stage::nested,
                                   Stage::pass_through, Stage::none,  Stage::none,   Stage::none};
    Space space{.stage = stages[words[0] >> 6 & 7],
                .domain = std::uint16_t(words[1]),
                .fault_disabled = fault_disabled,
                .second_table = words[0] & address_bits(),
                .second_levels = unsigned(words[0] >> 2 & 7) + 2,
                .first_table = words[2] & address_bits(),
                .first_levels = unsigned(words[2] >> 2 & 3) + 4,
                .write_protect = (words[2] & 1 << 4) != 0,
                .walk_snooped = (words[1] & 1 << 23) != 0,
                .force_snoop = (words[1] & 1 << 24) != 0,
                .scalable = true,
                .pasid = pasid};
    if (space.stage == Stage::pass_through) space.first_table = space.second_table = 0;
    const bool uses_second = space.stage == Stage::second || space.stage == Stage::nested;
    const bool sound =
        space.stage != Stage::none && (!space.has_first() || features_.first_stage) &&
        (!uses_second || (features_.second_stage && features_.has_levels(space.second_levels))) &&
        (space.stage != Stage::nested || features_.nested) &&
        (space.stage != Stage::pass_through || features_.pass_through) &&
        (!space.has_first() || space.first_levels == 4 ||
         (space.first_levels == 5 && features_.first_stage_5)) &&
        (!space.walk_snooped || features_.walk_snoop) &&
        (!space.force_snoop || features_.snoop_control) && space.domain < features_.domains();
    if (sound) return space;
    complain(fmt::format("a PASID table entry is not valid on this unit: {:#x} {:#x} {:#x}",
                         words[0], words[1], words[2]));
    return std::unexpected(Fault{0x5b, true});
}

}  // namespace smmu::model::vtd
