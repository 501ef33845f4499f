// SPDX-License-Identifier: Apache-2.0
// Translator: the page walks.
#include <fmt/format.h>

#include <algorithm>

#include "tests/models/vtd/model/translator.hpp"

namespace smmu::model::vtd {
namespace {

constexpr std::uint64_t large = 1 << 7;

constexpr unsigned shift_of(unsigned level) {
    return 12 + 9 * (level - 1);
}
constexpr std::uint64_t entry_of(std::uint64_t table, std::uint64_t address, unsigned level) {
    return table + (address >> shift_of(level) & 511) * 8;
}
// The 4 KiB page of `address` in the leaf that `entry` is.
constexpr std::uint64_t page_of(std::uint64_t entry, std::uint64_t frame_bits,
                                std::uint64_t address, unsigned level) {
    const std::uint64_t inside = (std::uint64_t{1} << shift_of(level)) - 1;
    return ((entry & frame_bits & ~inside) | (address & inside)) & ~0xfffull;
}

}  // namespace

std::expected<Leaf, Fault> Translator::walk(const Request& request, const Space& space) {
    const Fault too_far{std::uint8_t(space.scalable ? 0x84 : 4), true};
    if (space.stage == Stage::pass_through) {
        if (request.address >> host_bits_ != 0) return std::unexpected(too_far);
        return Leaf{request.address & ~0xfffull, true, true, false, true, std::nullopt};
    }
    if (!space.has_first()) {
        const unsigned width = std::min(shift_of(space.second_levels + 1), features_.mgaw);
        if (width < 64 && request.address >> width != 0) return std::unexpected(too_far);
    } else {
        const unsigned sign = shift_of(space.first_levels + 1) - 1;
        const auto top = std::int64_t(request.address) >> sign;
        if (top != 0 && top != -1) return std::unexpected(Fault{0x80, true});
    }
    if (const Leaf* cached = caches_.leaf(space, request.address)) {
        const bool suffices =
            request.type == AddressType::translation ||
            (request.write ? cached->write && (!space.has_first() || cached->dirty) : cached->read);
        // Without caching mode nothing is cached that would refuse what the tables allow.
        if (suffices || features_.caching_mode) {
            if (cached->fault) return std::unexpected(*cached->fault);
            return *cached;
        }
    }
    auto found =
        space.has_first() ? first_stage(space, request) : second_stage(space, request.address);
    if (found && (found->read || found->write))
        caches_.keep(space, request.address, *found);
    else if (features_.caching_mode)
        caches_.keep(space, request.address, found ? *found : Leaf{.fault = found.error()});
    return found;
}

bool Translator::reserved_second(std::uint64_t entry, unsigned level, bool is_leaf) const {
    std::uint64_t reserved = beyond_host();
    if (!interrupt_bits_) reserved |= 3ull << 61;
    if (!is_leaf) reserved |= large | 1 << 11;
    if (is_leaf && !features_.snoop_control) reserved |= 1 << 11;
    if (is_leaf && level > 1) reserved |= ((1ull << shift_of(level)) - 1) & ~0xfffull;
    return (entry & reserved) != 0;
}

std::expected<Leaf, Fault> Translator::second_stage(const Space& space, std::uint64_t address) {
    const bool scalable = space.scalable;
    Branch branch{space.second_table, true, true};
    unsigned level = space.second_levels;
    Space tagged = space;
    tagged.stage = Stage::second;
    if (const auto known = caches_.branch(tagged, address)) std::tie(branch, level) = *known;
    for (;; --level) {
        const bool is_top = level == space.second_levels;
        const std::uint8_t lost = !scalable ? 7 : is_top ? 0x7b : 0x78;
        const auto entry = fetch(entry_of(branch.table, address, level), {lost, true});
        if (!entry) return std::unexpected(entry.error());
        if ((*entry & 3) == 0) return Leaf{};
        const bool is_large = level > 1 && level <= 3 && (*entry & large) != 0 &&
                              (features_.large_pages >> (level - 2) & 1) != 0;
        const bool is_leaf = level == 1 || is_large;
        if (reserved_second(*entry, level, is_leaf)) {
            complain(fmt::format("reserved bits in a second-stage entry of level {}: {:#x}", level,
                                 *entry));
            return std::unexpected(Fault{std::uint8_t(scalable ? 0x7a : 0xc), true});
        }
        branch.read &= (*entry & 1) != 0;
        branch.write &= (*entry & 2) != 0;
        if (is_leaf)
            return Leaf{.page = page_of(*entry, address_bits(), address, level),
                        .read = branch.read,
                        .write = branch.write,
                        .snoop = (*entry & 1 << 11) != 0,
                        .dirty = true,
                        .fault = std::nullopt};
        branch.table = *entry & address_bits();
        caches_.keep(tagged, address, level - 1, branch);
    }
}

std::expected<Leaf, Fault> Translator::behind_second(const Space& space, std::uint64_t address) {
    if (space.stage != Stage::nested)
        return Leaf{.page = address & ~0xfffull, .read = true, .write = true};
    const unsigned width = shift_of(space.second_levels + 1);
    if (width < 64 && address >> width != 0) return std::unexpected(Fault{0x84, true});
    const auto found = second_stage(space, address);
    if (!found) return std::unexpected(found.error());
    if (!found->read) return std::unexpected(Fault{0x79, true});
    return *found;
}

bool Translator::reserved_first(std::uint64_t entry, unsigned level, bool is_leaf) const {
    std::uint64_t reserved = beyond_host();
    if (!is_leaf && level >= 4) reserved |= large;
    if (!is_leaf && level == 3 && !features_.first_stage_1g) reserved |= large;
    if (is_leaf && level > 1) reserved |= ((1ull << shift_of(level)) - 1) & ~0x1fffull;
    return (entry & reserved) != 0;
}

// Accessed and dirty bits; a walk that does not snoop the caches cannot set them.
std::expected<void, Fault> Translator::mark_used(const Space& space, std::uint64_t at,
                                                 std::uint64_t& entry, bool is_leaf, bool write) {
    constexpr std::uint64_t accessed = 1 << 5;
    constexpr std::uint64_t dirty = 1 << 6;
    const std::uint64_t wanted = accessed | (is_leaf && write ? dirty : 0);
    if ((entry & wanted) == wanted) return {};
    if (!space.walk_snooped) {
        complain("a first-stage entry needs its A or D bit set in a walk that does not snoop");
        return std::unexpected(Fault{std::uint8_t((entry & accessed) == 0 ? 0x90 : 0x91), false});
    }
    entry |= wanted;
    view_.store(at, entry);
    return {};
}

std::expected<Leaf, Fault> Translator::first_stage(const Space& space, const Request& request) {
    const std::uint64_t address = request.address;
    Branch branch{space.first_table, true, true};
    unsigned level = space.first_levels;
    if (const auto known = caches_.branch(space, address)) std::tie(branch, level) = *known;
    for (;; --level) {
        const std::uint64_t wanted = entry_of(branch.table, address, level);
        const auto behind = behind_second(space, wanted);
        if (!behind) return std::unexpected(behind.error());
        const std::uint64_t at = behind->page | (wanted & 0xfff);
        const bool is_top = level == space.first_levels;
        auto entry = fetch(at, {std::uint8_t(is_top ? 0x73 : 0x70), true});
        if (!entry) return std::unexpected(entry.error());
        if ((*entry & 1) == 0) return Leaf{};
        const bool may_be_large = level == 2 || (level == 3 && features_.first_stage_1g);
        const bool is_leaf = level == 1 || (may_be_large && (*entry & large) != 0);
        if (reserved_first(*entry, level, is_leaf)) {
            complain(fmt::format("reserved bits in a first-stage entry of level {}: {:#x}", level,
                                 *entry));
            return std::unexpected(Fault{0x72, true});
        }
        if ((*entry & 4) == 0 && !request.privileged) return std::unexpected(Fault{0x81, true});
        branch.write &= (*entry & 2) != 0;
        const bool writes = request.write && branch.write;
        if (const auto marked = mark_used(space, at, *entry, is_leaf, writes); !marked)
            return std::unexpected(marked.error());
        if (is_leaf) {
            const auto page = behind_second(space, page_of(*entry, address_bits(), address, level));
            if (!page) return std::unexpected(page.error());
            return Leaf{.page = page->page,
                        .read = true,
                        .write = branch.write && page->write,
                        .snoop = page->snoop,
                        .dirty = (*entry & 1 << 6) != 0,
                        .fault = std::nullopt};
        }
        branch.table = *entry & address_bits();
        caches_.keep(space, address, level - 1, branch);
    }
}

}  // namespace smmu::model::vtd
