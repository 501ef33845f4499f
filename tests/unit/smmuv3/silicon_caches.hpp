// SPDX-License-Identifier: Apache-2.0
// What a unit remembers: entries and the way to them, descriptors, translations and tables, the absence of entries too. It
// forgets what a command says (IHI 0070, chapter 4), and not before the CMD_SYNC that follows.
#pragma once

#include <map>
#include <utility>

#include "silicon_tables.hpp"

namespace silicon {

using Command = std::pair<std::uint64_t, std::uint64_t>;

class Caches {
public:
    Caches(const Facts& facts, std::vector<std::string>& complaints) : facts_(facts), complaints_(complaints) {}

    // By stream; by the upper bits of it.
    std::map<std::uint32_t, Words> entries, descriptors;
    std::map<std::uint32_t, std::uint64_t> pointers;

    std::optional<Reach> translation(const Regime& regime, std::uint64_t address) const {
        for (unsigned level = 0; level < regime.levels; ++level) {
            const unsigned size = regime.span_log2(level);
            const std::uint64_t first = address >> size << size;
            const auto cached = translations_.find({regime.tag, regime.granule_log2, first});
            if (cached == translations_.end() || cached->second.size_log2 != size) continue;
            Reach found = cached->second;
            found.physical += address - first;
            return found;
        }
        return std::nullopt;
    }
    void remember(const Regime& regime, std::uint64_t address, const Reach& reach) {
        const Place place{regime.tag, regime.granule_log2, address >> reach.size_log2 << reach.size_log2};
        const auto next = translations_.lower_bound(place);
        if (next != translations_.end() && next->first.tag == place.tag && next->first.granule_log2 == place.granule_log2 &&
            next->first.first - place.first < std::uint64_t{1} << reach.size_log2)
            complain("two translations of one address are cached: break before make");
        translations_[place] = reach;
    }
    // The lowest table known on the way to an address: itself and its level.
    std::pair<std::uint64_t, unsigned> table(const Regime& regime, std::uint64_t address) const {
        for (unsigned level = 0; level + 1 < regime.levels; ++level) {
            const unsigned span = regime.span_log2(level + 1);
            const auto found = links_.find({{regime.tag, regime.granule_log2, address >> span << span}, level});
            if (found != links_.end()) return {found->second, level};
        }
        return {regime.root, regime.levels - 1};
    }
    void remember_table(const Regime& regime, std::uint64_t address, unsigned level, std::uint64_t table) {
        const unsigned span = regime.span_log2(level + 1);
        links_[{{regime.tag, regime.granule_log2, address >> span << span}, level}] = table;
    }

    void carry_out(const Command& command) {
        const auto [low, high] = command;
        const auto stream = static_cast<std::uint32_t>(low >> 32);
        const auto vmid = static_cast<std::uint32_t>(low >> 32 & 0xffff);
        const auto asid = static_cast<std::uint32_t>(1u << 16 | low >> 48);
        switch (low & 0xff) {
            case 0x03:
                entries.erase(stream);
                if ((high & 1) == 0) pointers.erase(stream >> 8);
                break;
            case 0x04:
                if ((high & 31) != 31) return complain("CFGI_STE_RANGE of a part");
                entries.clear();
                descriptors.clear();
                pointers.clear();
                break;
            case 0x06: descriptors.erase(stream); break;
            case 0x11: forget_tag(asid); break;
            case 0x12: forget_pages(asid, low, high); break;
            case 0x20: break;
            case 0x28: forget_tag(vmid); break;
            case 0x2a: forget_pages(vmid, low, high); break;
            case 0x30:
                translations_.clear();
                links_.clear();
                break;
            default: complain("an unknown command " + std::to_string(low & 0xff));
        }
    }

private:
    struct Place {
        std::uint32_t tag;
        unsigned granule_log2;
        std::uint64_t first;
        friend auto operator<=>(const Place&, const Place&) = default;
    };

    void forget_tag(std::uint32_t tag) {
        std::erase_if(translations_, [&](const auto& cached) { return cached.first.tag == tag; });
        std::erase_if(links_, [&](const auto& cached) { return cached.first.first.tag == tag; });
    }
    // Without a granule: what translates this address. With one: (NUM + 1) << SCALE pages, of what has this granule.
    void forget_pages(std::uint32_t tag, std::uint64_t low, std::uint64_t high) {
        const unsigned code = high >> 10 & 3, granule_log2 = code == 0 ? 0 : 10 + 2 * code;
        const std::uint64_t count = low >> 12 & 31, scale = low >> 20 & 31, first = high & ~std::uint64_t{0xfff};
        if (code != 0 && !facts_.has_ranges()) complain("a range, which this unit does not know");
        if (code != 0 && count == 0 && scale == 0) complain("a range of one page, which means something else");
        if (code == 0 && (count != 0 || scale != 0)) complain("a range without a granule");
        if (code != 0 && (first & ((std::uint64_t{1} << granule_log2) - 1)) != 0) complain("a range that does not begin with a page");
        const std::uint64_t last = code == 0 ? first : first + (((count + 1) << scale) << granule_log2) - 1;
        const auto covered = [&](const Place& place, unsigned size_log2) {
            return place.tag == tag && (code == 0 || place.granule_log2 == granule_log2) && place.first <= last &&
                   first <= place.first + ((std::uint64_t{1} << size_log2) - 1);
        };
        std::erase_if(translations_, [&](const auto& cached) { return covered(cached.first, cached.second.size_log2); });
        if ((high & 1) != 0) return;  // the last level alone
        std::erase_if(links_, [&](const auto& cached) {
            const auto& [place, level] = cached.first;
            return covered(place, place.granule_log2 + (place.granule_log2 - 3) * (level + 1));
        });
    }
    void complain(const std::string& what) { complaints_.push_back(what); }

    const Facts& facts_;
    std::vector<std::string>& complaints_;
    std::map<Place, Reach> translations_;
    std::map<std::pair<Place, unsigned>, std::uint64_t> links_;  // with the level of the table
};

}  // namespace silicon
