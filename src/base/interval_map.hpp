// SPDX-License-Identifier: Apache-2.0
// IntervalMap: which value holds where in an address space: disjoint ranges, each with a value. What was said last
// about an address counts. Neighbours that say the same are one piece, so that equal maps look equal.
//
// A value may advance with the address (a mapping's target does): V then has `V advanced(std::uint64_t bytes) const`,
// the value that holds so many bytes further on. A value without it is the same all over its range.
#pragma once

#include <cstdint>
#include <iterator>
#include <optional>
#include <set>

#include "base/range.hpp"

namespace smmu {

template <class A, class V>
class IntervalMap {
public:
    struct Piece {
        Range<A> range;
        V value;
        friend bool operator==(const Piece&, const Piece&) = default;
    };

    bool empty() const { return pieces_.empty(); }
    std::size_t size() const { return pieces_.size(); }  // pieces
    auto begin() const { return pieces_.begin(); }       // ascending
    auto end() const { return pieces_.end(); }
    void clear() { pieces_.clear(); }

    // `value` holds in `range` from now on, counted from the range's first address.
    void assign(Range<A> range, V value) {
        erase(range);
        Piece piece{range, std::move(value)};
        auto right = pieces_.upper_bound(range.first);
        if (right != pieces_.begin()) {
            const auto left = std::prev(right);
            if (continues(*left, piece)) {
                piece = {{left->range.first, range.last}, left->value};
                pieces_.erase(left);
            }
        }
        if (right != pieces_.end() && continues(piece, *right)) {
            piece.range.last = right->range.last;
            pieces_.erase(right);
        }
        pieces_.insert(std::move(piece));
    }

    // Nothing holds in `range` from now on.
    void erase(Range<A> range) {
        auto it = first_overlapping(range);
        while (it != pieces_.end() && it->range.first <= range.last) {
            const Piece cut = *it;
            it = pieces_.erase(it);
            if (cut.range.first < range.first)
                pieces_.insert({{cut.range.first, range.first - 1}, cut.value});
            if (cut.range.last > range.last) {
                const A rest = range.last + 1;
                pieces_.insert({{rest, cut.range.last}, advanced(cut.value, rest - cut.range.first)});
                return;
            }
        }
    }

    // The first piece that does not end below `address`; end() when there is none.
    auto from(A address) const { return first_overlapping({address, address}); }

    // The piece that `address` is in.
    std::optional<Piece> find(A address) const {
        const auto it = first_overlapping({address, address});
        if (it == pieces_.end() || it->range.first > address) return std::nullopt;
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
        for (auto it = first_overlapping(range); it != pieces_.end() && it->range.first <= range.last; ++it) {
            const Range<A> part = *it->range.intersection(range);
            visit(part, advanced(it->value, part.first - it->range.first));
        }
    }

    // Calls visit(sub-range) for what of `range` nothing holds in, ascending.
    template <class Visit>
    void for_each_gap_in(Range<A> range, Visit visit) const {
        A next = range.first;
        for (auto it = first_overlapping(range); it != pieces_.end() && it->range.first <= range.last; ++it) {
            if (next < it->range.first) visit(Range<A>{next, it->range.first - 1});
            if (it->range.last >= range.last) return;
            next = it->range.last + 1;
        }
        visit(Range<A>{next, range.last});
    }

    friend bool operator==(const IntervalMap& a, const IntervalMap& b) { return a.pieces_ == b.pieces_; }

private:
    struct Less {
        using is_transparent = void;
        bool operator()(const Piece& a, const Piece& b) const { return a.range.first < b.range.first; }
        bool operator()(const Piece& a, A b) const { return a.range.first < b; }
        bool operator()(A a, const Piece& b) const { return a < b.range.first; }
    };
    using Pieces = std::set<Piece, Less>;

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
    typename Pieces::const_iterator first_overlapping(Range<A> range) const {
        auto it = pieces_.upper_bound(range.first);
        if (it != pieces_.begin() && std::prev(it)->range.last >= range.first) --it;
        return it;
    }

    Pieces pieces_;
};

}  // namespace smmu
