// SPDX-License-Identifier: Apache-2.0
// IntervalMap: which value holds where in an address space: disjoint ranges, each with a value. What was said last
// about an address counts. Neighbours that say the same are one piece, so that equal maps look equal.
//
// A value may advance with the address (a mapping's target does): V then has `V advanced(std::uint64_t bytes) const`,
// the value that holds so many bytes further on. A value without it is the same all over its range.
#pragma once

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <optional>

#include "base/piece_tree.hpp"
#include "base/range.hpp"

namespace smmu {

template <class A, class V>
class IntervalMap {
    using Pieces = PieceTree<A, V>;

public:
    using Piece = typename Pieces::Piece;

    bool empty() const { return pieces_.size() == 0; }
    std::size_t size() const { return pieces_.size(); }  // pieces
    auto begin() const { return pieces_.begin(); }       // ascending
    auto end() const { return pieces_.end(); }
    void clear() { pieces_ = {}; }

    // `value` holds in `range` from now on, counted from the range's first address.
    void assign(Range<A> range, const V& value) {
        if (const auto there = find(range.first); there && there->range.last >= range.last &&
                                                  advanced(there->value, range.first - there->range.first) == value)
            return;  // it does already
        erase(range);
        Piece piece{range, value};
        const auto left = pieces_.at_or_below(range.first);
        const auto right = left == end() ? begin() : std::next(left);
        const bool joins_left = left != end() && continues(*left, piece);
        const bool joins_right = right != end() && continues(piece, *right);
        if (joins_right) piece.range.last = right.last();
        if (joins_left) pieces_.set_last(left, piece.range.last);
        if (joins_right) pieces_.erase(right);
        if (!joins_left) pieces_.insert(piece);
    }

    // Nothing holds in `range` from now on.
    void erase(Range<A> range) {
        auto it = first_overlapping(range);
        while (it != end() && it.first() <= range.last) {
            const Piece cut = *it;
            if (cut.range.first < range.first)
                pieces_.set_last(it, range.first - 1);
            else
                pieces_.erase(it);
            if (cut.range.last > range.last) {
                const A rest = range.last + 1;
                pieces_.insert({{rest, cut.range.last}, advanced(cut.value, rest - cut.range.first)});
            }
            if (cut.range.last >= range.last) return;
            it = first_overlapping({cut.range.last + 1, range.last});
        }
    }

    // The first piece that does not end below `address`; end() when there is none.
    typename Pieces::Iterator from(A address) const { return first_overlapping({address, address}); }

    // The piece that `address` is in.
    std::optional<Piece> find(A address) const {
        const auto it = pieces_.at_or_below(address);
        if (it == end() || it.last() < address) return std::nullopt;
        return *it;
    }
    // What holds at `address`.
    std::optional<V> at(A address) const {
        const auto piece = find(address);
        if (!piece) return std::nullopt;
        return advanced(piece->value, address - piece->range.first);
    }

    // Calls visit(sub-range, value at its first address) for what holds in `range`, ascending. The map stays as it is
    // meanwhile.
    template <class Visit>
    void for_each_in(Range<A> range, Visit visit) const {
        for (auto it = first_overlapping(range); it != end() && it.first() <= range.last; ++it) {
            const Piece piece = *it;
            const Range<A> part = *piece.range.intersection(range);
            visit(part, advanced(piece.value, part.first - piece.range.first));
        }
    }

    // Calls visit(sub-range) for what of `range` nothing holds in, ascending.
    template <class Visit>
    void for_each_gap_in(Range<A> range, Visit visit) const {
        A next = range.first;
        for (auto it = first_overlapping(range); it != end() && it.first() <= range.last; ++it) {
            if (next < it.first()) visit(Range<A>{next, it.first() - 1});
            if (it.last() >= range.last) return;
            next = it.last() + 1;
        }
        visit(Range<A>{next, range.last});
    }

    friend bool operator==(const IntervalMap& a, const IntervalMap& b) {
        return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin());
    }

private:
    static V advanced(const V& value, std::uint64_t bytes) {
        if constexpr (requires { value.advanced(bytes); })
            return value.advanced(bytes);
        else
            return value;
    }

    // Whether `right` begins where `left` ends, and says what `left` would say there.
    static bool continues(const Piece& left, const Piece& right) {
        return left.range.last < right.range.first && right.range.first - left.range.last == 1 &&
               advanced(left.value, right.range.first - left.range.first) == right.value;
    }

    // The first piece that does not end below range.first; it may begin above range.last.
    typename Pieces::Iterator first_overlapping(Range<A> range) const {
        const auto it = pieces_.at_or_below(range.first);
        if (it == end()) return begin();
        return it.last() >= range.first ? it : std::next(it);
    }

    Pieces pieces_;
};

}  // namespace smmu
