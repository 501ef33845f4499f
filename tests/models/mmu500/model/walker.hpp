// SPDX-License-Identifier: Apache-2.0
// Walker: page walks in AArch64 format (VMSAv8-64), with the TLB over them.
#pragma once

#include <expected>

#include "tests/models/common/model/memory.hpp"
#include "tests/models/mmu500/model/space.hpp"

namespace smmu::model::mmu500 {

// One stage, or two nested ones.
struct Path {
    Space space;
    std::optional<Space> second = std::nullopt;

    Origin origin() const { return {space.root, second ? second->root : 0}; }
};

class Walker {
public:
    Walker(const View& view, Tlb& tlb, const Voice& complain)
        : view_(view), tlb_(tlb), complain_(complain) {}

    std::expected<std::uint64_t, Fault> translate(const Path& path, const Request& request);

private:
    using Found = std::expected<Leaf, Fault>;
    // Whether the walk may use and fill the TLB.
    enum class Memo : std::uint8_t { none, used };

    Found look_up(const Space& space, const Space* second, const Origin& origin,
                  std::uint64_t address);
    Found walk(const Space& space, const Space* second, const Origin& origin, std::uint64_t address,
               Memo memo);
    std::expected<std::uint64_t, Fault> fetch(const Space* second, std::uint64_t at,
                                              unsigned level);
    Found finish(const Space& space, const Branch& branch, std::uint64_t address,
                 std::uint64_t entry);
    void check_leaf(const Space& space, std::uint64_t entry, unsigned level);
    void check_table(const Space& space, std::uint64_t entry, unsigned level);
    void check_break_before_make(const Space& space, const Origin& origin, std::uint64_t address,
                                 const Leaf& cached);
    void prefetch(const Space& space, const Origin& origin, std::uint64_t address);

    const View& view_;
    Tlb& tlb_;
    const Voice& complain_;
};

}  // namespace smmu::model::mmu500
