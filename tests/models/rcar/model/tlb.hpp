// SPDX-License-Identifier: Apache-2.0
// Tlb: translations that are kept until somebody flushes them, whatever the tables say meanwhile.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <utility>

namespace smmu::model::rcar {

// A leaf: 2^shift bytes.
struct Translation {
    unsigned shift = 12;
    std::uint64_t output = 0;
    bool readable = false;
    bool writable = false;
    unsigned context = 0;

    std::uint64_t at(std::uint64_t address) const {
        return output | (address & ((std::uint64_t{1} << shift) - 1));
    }
    bool permits(bool write) const { return write ? writable : readable; }
    unsigned level() const { return 3 - (shift - 12) / 9; }
};

class Tlb {
public:
    void add(std::uint64_t address, const Translation& translation) {
        entries_[{translation.shift, address >> translation.shift}] = translation;
    }
    std::optional<Translation> find(std::uint64_t address) const {
        for (const unsigned shift : {12u, 21u, 30u})
            if (const auto at = entries_.find({shift, address >> shift}); at != entries_.end())
                return at->second;
        return std::nullopt;
    }
    bool has(unsigned context) const {
        for (const auto& [key, translation] : entries_)
            if (translation.context == context) return true;
        return false;
    }
    void forget(unsigned context) {
        std::erase_if(entries_, [&](const auto& entry) { return entry.second.context == context; });
    }
    void clear() { entries_.clear(); }
    bool empty() const { return entries_.empty(); }

private:
    std::map<std::pair<unsigned, std::uint64_t>, Translation> entries_;
};

}  // namespace smmu::model::rcar
