// SPDX-License-Identifier: Apache-2.0
// PieceTree: disjoint ranges with a value each, ascending: what an IntervalMap is made of. A B+ tree whose nodes are
// arrays, one for each part of a piece: a piece takes its own bytes and little more, because runs fill nodes to the
// brim and sparse neighbours are joined. Values are copied byte by byte when their neighbours move.
//
// The leaf that was asked last is remembered, since the next question is mostly about the same place: not for several
// threads at once, not even for reading.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <utility>

#include "base/range.hpp"

namespace smmu {

template <class A, class V>
class PieceTree {
    struct Leaf;

public:
    struct Piece {
        Range<A> range;
        V value;
        friend bool operator==(const Piece&, const Piece&) = default;
    };

    // Where a piece is; pieces are made when they are looked at. It holds until the tree changes.
    class Iterator {
    public:
        using iterator_category = std::input_iterator_tag;
        using difference_type = std::ptrdiff_t;
        using value_type = Piece;
        using reference = Piece;
        struct pointer {
            Piece piece;
            const Piece* operator->() const { return &piece; }
        };

        Iterator() = default;
        Piece operator*() const { return {{first(), last()}, leaf_->value[slot_]}; }
        pointer operator->() const { return {**this}; }
        A first() const { return leaf_->first[slot_]; }
        A last() const { return leaf_->last[slot_]; }
        Iterator& operator++() {
            if (++slot_ == leaf_->count) *this = {leaf_->next, 0};
            return *this;
        }
        Iterator operator++(int) {
            const Iterator before = *this;
            ++*this;
            return before;
        }
        friend bool operator==(const Iterator&, const Iterator&) = default;

    private:
        friend PieceTree;
        Iterator(Leaf* leaf, std::size_t slot) : leaf_(leaf), slot_(slot) {}
        Leaf* leaf_ = nullptr;  // nothing: the end
        std::size_t slot_ = 0;
    };

    PieceTree() = default;
    PieceTree(const PieceTree& other) {
        for (const Piece& piece : other) insert(piece);
    }
    PieceTree(PieceTree&& other) noexcept { swap(other); }
    PieceTree& operator=(PieceTree other) noexcept {
        swap(other);
        return *this;
    }
    ~PieceTree() {
        if (root_ != nullptr) destroy(root_, height_);
    }

    std::size_t size() const { return size_; }
    Iterator begin() const { return {first_leaf_, 0}; }
    Iterator end() const { return {}; }

    // The last piece that begins at or below `address`; end() when all begin above it.
    Iterator at_or_below(A address) const {
        if (asked_last_ == nullptr || !is_about(*asked_last_, address)) asked_last_ = descend(address, nullptr);
        if (asked_last_ == nullptr) return end();
        const std::size_t above = slot_above(*asked_last_, address);
        if (above > 0) return {asked_last_, above - 1};
        Leaf* const previous = asked_last_->previous;
        return previous != nullptr ? Iterator{previous, previous->count - 1} : end();
    }

    // A piece ends elsewhere, below the next one. (One that begins elsewhere may belong into another leaf.)
    void set_last(Iterator at, A last) { at.leaf_->last[at.slot_] = last; }

    // Must overlap none that is there.
    void insert(const Piece& piece) {
        const A key = piece.range.first;
        ++size_;
        if (asked_last_ != nullptr && asked_last_->count < capacity && key > asked_last_->first[0] &&
            key < asked_last_->first[asked_last_->count - 1])
            return put(*asked_last_, slot_above(*asked_last_, key), piece);
        if (root_ == nullptr) root_ = first_leaf_ = new Leaf;
        Path path;
        Leaf* leaf = descend(key, &path);
        std::size_t slot = slot_above(*leaf, key);
        if (leaf->count < capacity) {
            put(*leaf, slot, piece);
        } else {
            // A run goes on in a node of its own, so that the ones behind it stay full.
            const std::size_t cut = slot == 0 || slot == capacity ? slot : capacity / 2;
            Leaf* const right = new Leaf;
            link_behind(*leaf, *right);
            move_from(*leaf, cut, *right);
            const bool goes_right = slot > cut || cut == capacity;
            put(goes_right ? *right : *leaf, goes_right ? slot - cut : slot, piece);
            add_child(path, right->first[0], right);
            if (goes_right) leaf = right;
        }
        asked_last_ = leaf;
    }

    void erase(Iterator at) {
        Leaf& leaf = *at.leaf_;
        const A key = at.first();
        close_gap(leaf, at.slot_);
        --size_;
        if (leaf.count <= sparse) tidy(key);
    }

private:
    static constexpr std::size_t capacity = 64;
    static constexpr std::size_t sparse = capacity / 4;        // so few: it joins a neighbour ...
    static constexpr std::size_t roomy = capacity - sparse;    // ... if both together are no more than so many
    static constexpr std::size_t most_levels = 16;             // of nodes with two children at least, all but some at the edge

    struct Node {
        std::size_t count = 0;
        std::array<A, capacity> first;
    };
    struct Leaf : Node {
        Leaf* previous = nullptr;
        Leaf* next = nullptr;
        std::array<A, capacity> last;
        std::array<V, capacity> value;
    };
    // All of child i is at or above first[i], all of child i - 1 below it; first[0] says nothing.
    struct Inner : Node {
        std::array<Node*, capacity> child;
    };
    struct Step {
        Inner* node = nullptr;
        std::size_t slot = 0;
    };
    using Path = std::array<Step, most_levels>;

    template <class F>
    static void each_column(Leaf& a, Leaf& b, F f) {
        f(a.first, b.first);
        f(a.last, b.last);
        f(a.value, b.value);
    }
    template <class F>
    static void each_column(Inner& a, Inner& b, F f) {
        f(a.first, b.first);
        f(a.child, b.child);
    }
    template <class N>
    static void open_gap(N& node, std::size_t slot) {
        const auto count = std::ptrdiff_t(node.count++), at = std::ptrdiff_t(slot);
        each_column(node, node, [&](auto& column, auto&) {
            std::move_backward(column.begin() + at, column.begin() + count, column.begin() + count + 1);
        });
    }
    template <class N>
    static void close_gap(N& node, std::size_t slot) {
        const auto count = std::ptrdiff_t(node.count--), at = std::ptrdiff_t(slot);
        each_column(node, node, [&](auto& column, auto&) {
            std::move(column.begin() + at + 1, column.begin() + count, column.begin() + at);
        });
    }
    // What is in `from` from `slot` on goes to the end of `to`.
    template <class N>
    static void move_from(N& from, std::size_t slot, N& to) {
        const auto at = std::ptrdiff_t(slot), count = std::ptrdiff_t(from.count), end = std::ptrdiff_t(to.count);
        each_column(from, to, [&](auto& source, auto& target) {
            std::move(source.begin() + at, source.begin() + count, target.begin() + end);
        });
        to.count += from.count - slot;
        from.count = slot;
    }

    // How many keys of a node are at or below `address`.
    static std::size_t slot_above(const Node& node, A address) {
        const auto end = node.first.begin() + std::ptrdiff_t(node.count);
        return std::size_t(std::upper_bound(node.first.begin(), end, address) - node.first.begin());
    }
    // Whether the piece at or below `address`, if there is one, is in this leaf.
    static bool is_about(const Leaf& leaf, A address) {
        return (leaf.previous == nullptr || leaf.first[0] <= address) &&
               (leaf.next == nullptr || address < leaf.next->first[0]);
    }

    Leaf* descend(A address, Path* path) const {
        Node* node = root_;
        for (std::size_t level = 0; level < height_; ++level) {
            Inner& inner = static_cast<Inner&>(*node);
            // The first key says nothing: what lies below the second is in the first child.
            const auto second = inner.first.begin() + 1, end = inner.first.begin() + std::ptrdiff_t(inner.count);
            const auto slot = std::size_t(std::upper_bound(second, end, address) - second);
            if (path != nullptr) (*path)[level] = {&inner, slot};
            node = inner.child[slot];
        }
        return static_cast<Leaf*>(node);
    }

    static void put(Leaf& leaf, std::size_t slot, const Piece& piece) {
        open_gap(leaf, slot);
        leaf.first[slot] = piece.range.first;
        leaf.last[slot] = piece.range.last;
        leaf.value[slot] = piece.value;
    }
    static void put(Inner& inner, std::size_t slot, A first, Node* child) {
        open_gap(inner, slot);
        inner.first[slot] = first;
        inner.child[slot] = child;
    }
    static void link_behind(Leaf& leaf, Leaf& right) {
        right.previous = &leaf;
        right.next = std::exchange(leaf.next, &right);
        if (right.next != nullptr) right.next->previous = &right;
    }

    // `child` comes behind the one that `path` leads to.
    void add_child(const Path& path, A first, Node* child) {
        for (std::size_t level = height_; level > 0; --level) {
            Inner& inner = *path[level - 1].node;
            const std::size_t slot = path[level - 1].slot + 1;
            if (inner.count < capacity) return put(inner, slot, first, child);
            const std::size_t cut = slot == capacity ? slot : capacity / 2;
            Inner* const right = new Inner;
            move_from(inner, cut, *right);
            const bool goes_right = slot > cut || cut == capacity;
            put(goes_right ? *right : inner, goes_right ? slot - cut : slot, first, child);
            first = right->first[0];
            child = right;
        }
        SMMU_ASSERT(height_ < most_levels);
        Inner* const top = new Inner;
        put(*top, 0, first, root_);
        put(*top, 1, first, child);
        root_ = top;
        ++height_;
    }

    // The leaf at `key` has become sparse: what is empty goes, what is sparse joins a neighbour, on every level.
    void tidy(A key) {
        asked_last_ = nullptr;
        Path path;
        const std::size_t bottom = height_;
        Leaf* const leaf = descend(key, &path);
        std::size_t count = leaf->count;
        for (std::size_t level = bottom; level > 0 && count <= sparse; --level) {
            const auto [parent, slot] = path[level - 1];
            if (!(level == bottom ? thin_out<Leaf>(*parent, slot) : thin_out<Inner>(*parent, slot))) break;
            count = parent->count;
        }
        while (height_ > 0 && root_->count == 1) {
            Inner* const top = static_cast<Inner*>(root_);
            root_ = top->child[0];
            delete top;
            --height_;
        }
        if (height_ > 0 || root_->count > 0) return;
        delete static_cast<Leaf*>(root_);
        root_ = first_leaf_ = nullptr;
    }

    // Whether the parent has one child less.
    template <class N>
    bool thin_out(Inner& parent, std::size_t slot) {
        const auto joins = [&](std::size_t left) {
            return left + 1 < parent.count && parent.child[left]->count + parent.child[left + 1]->count <= roomy;
        };
        N& node = static_cast<N&>(*parent.child[slot]);
        if (node.count == 0) {
            remove(node);
            close_gap(parent, slot);
            return true;
        }
        const bool joins_left = slot > 0 && joins(slot - 1);
        if (!joins_left && !joins(slot)) return false;
        const std::size_t left = joins_left ? slot - 1 : slot;
        N& right = static_cast<N&>(*parent.child[left + 1]);
        right.first[0] = std::is_same_v<N, Inner> ? parent.first[left + 1] : right.first[0];
        move_from(right, 0, static_cast<N&>(*parent.child[left]));
        remove(right);
        close_gap(parent, left + 1);
        return true;
    }
    void remove(Leaf& leaf) {
        (leaf.previous != nullptr ? leaf.previous->next : first_leaf_) = leaf.next;
        if (leaf.next != nullptr) leaf.next->previous = leaf.previous;
        delete &leaf;
    }
    void remove(Inner& inner) { delete &inner; }

    // As deep as the tree is high.
    static void destroy(Node* node, std::size_t levels) {
        if (levels == 0) return delete static_cast<Leaf*>(node);
        Inner* const inner = static_cast<Inner*>(node);
        for (std::size_t i = 0; i < inner->count; ++i) destroy(inner->child[i], levels - 1);
        delete inner;
    }

    void swap(PieceTree& other) noexcept {
        std::swap(root_, other.root_);
        std::swap(first_leaf_, other.first_leaf_);
        std::swap(asked_last_, other.asked_last_);
        std::swap(height_, other.height_);
        std::swap(size_, other.size_);
    }

    Node* root_ = nullptr;
    Leaf* first_leaf_ = nullptr;
    mutable Leaf* asked_last_ = nullptr;
    std::size_t height_ = 0;  // levels of inner nodes
    std::size_t size_ = 0;
};

}  // namespace smmu
