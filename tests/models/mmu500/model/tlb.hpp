// SPDX-License-Identifier: Apache-2.0
// Tlb: what a unit remembers of walks: leaves, and pointers to tables. Nothing leaves it before an
// invalidation that names it has been synchronised.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <tuple>

namespace smmu::model::mmu500 {

enum class Stage : std::uint8_t { first, second };  // nested translations are first-stage ones

// Which translations an entry serves.
struct Tag {
    static constexpr std::uint32_t any_asid = 1u << 16;  // of global pages and of the second stage
    Stage stage = Stage::first;
    std::uint16_t vmid = 0;
    std::uint32_t asid = any_asid;
    friend constexpr auto operator<=>(const Tag&, const Tag&) = default;
};

// The roots that an entry came from: two with one tag must not be in use.
using Origin = std::array<std::uint64_t, 2>;

struct Leaf {
    std::uint64_t output = 0;  // of the first byte
    unsigned log2 = 12;        // of its bytes
    unsigned level = 3;
    bool read = false;
    bool write = false;
    bool unprivileged = true;
    bool global = false;
    std::uint16_t attributes = 0;  // memory type and shareability, as in the descriptor
    bool prefetched = false;
    Origin origin{};
};

struct Branch {
    std::uint64_t table = 0;
    unsigned level = 0;  // of its entries
    bool write = true;
    bool unprivileged = true;
    Origin origin{};
};

struct Invalidation {
    std::optional<Stage> stage = std::nullopt;
    std::optional<std::uint16_t> vmid = std::nullopt;
    std::optional<std::uint16_t> asid = std::nullopt;
    std::optional<std::uint64_t> address = std::nullopt;
    bool only_leaves = false;
};

class Tlb {
public:
    const Leaf* leaf(const Tag& tag, std::uint64_t address) const;
    void keep(Tag tag, std::uint64_t address, const Leaf& leaf);
    // The lowest table on the way to `address` that is known.
    const Branch* branch(const Tag& tag, std::uint64_t address) const;
    // `log2`: of the bytes that the whole table translates.
    void keep(const Tag& tag, std::uint64_t address, unsigned log2, const Branch& branch);
    // Whether something with this tag came from other tables.
    bool conflicts(const Tag& tag, const Origin& origin) const;
    void apply(const Invalidation& invalidation);
    void clear();

private:
    struct Key {
        Tag tag;
        unsigned log2;
        std::uint64_t prefix;
        friend constexpr auto operator<=>(const Key&, const Key&) = default;
    };
    static bool names(const Invalidation& invalidation, const Key& key, bool by_asid_alone);

    std::map<Key, Leaf> leaves_;
    std::map<Key, Branch> branches_;
};

}  // namespace smmu::model::mmu500
