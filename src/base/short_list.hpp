// SPDX-License-Identifier: Apache-2.0
// ShortList: a list that mostly has few elements: so many lie in it itself, and only where there are more all of them
// are on the heap. Elements are copied byte by byte.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <initializer_list>
#include <type_traits>
#include <utility>
#include <vector>

namespace smmu {

template <class T, std::size_t in_place>
class ShortList {
    static_assert(std::is_trivially_copyable_v<T> && in_place > 0);

public:
    using value_type = T;

    ShortList() = default;
    ShortList(std::initializer_list<T> elements) {
        reserve(elements.size());
        for (const T& element : elements) push_back(element);
    }
    ShortList(const ShortList& other) : count_(other.count_), many_(other.many_) { copy_few(other); }
    ShortList(ShortList&& other) noexcept : count_(std::exchange(other.count_, 0)), many_(std::move(other.many_)) {
        copy_few(other);
        other.many_.clear();
    }
    ShortList& operator=(ShortList other) noexcept {
        count_ = other.count_;
        many_.swap(other.many_);
        copy_few(other);
        return *this;
    }
    ~ShortList() = default;

    std::size_t size() const { return count_ + many_.size(); }
    bool empty() const { return size() == 0; }
    T* data() { return many_.empty() ? few_.all.data() : many_.data(); }
    const T* data() const { return many_.empty() ? few_.all.data() : many_.data(); }
    T* begin() { return data(); }
    T* end() { return data() + size(); }
    const T* begin() const { return data(); }
    const T* end() const { return data() + size(); }
    T& operator[](std::size_t index) { return data()[index]; }
    const T& operator[](std::size_t index) const { return data()[index]; }
    T& back() { return data()[size() - 1]; }
    const T& back() const { return data()[size() - 1]; }

    void push_back(const T& element) {
        if (many_.empty() && count_ < in_place)
            few_.all[count_++] = element;
        else
            push_back_to_many(element);
    }
    void pop_back() {
        if (many_.empty())
            --count_;
        else
            many_.pop_back();
    }
    // Appends elements as T{} makes them, or takes away from the end.
    void resize(std::size_t size) {
        reserve(size);
        while (this->size() > size) pop_back();
        while (this->size() < size) push_back(T{});
    }
    void clear() {
        count_ = 0;
        many_.clear();
    }
    void reserve(std::size_t size) {
        if (size > in_place) many_.reserve(size);
    }

    friend bool operator==(const ShortList& a, const ShortList& b) { return std::ranges::equal(a, b); }

private:
    void copy_few(const ShortList& other) {
        if (many_.empty()) few_ = other.few_;
    }
    void push_back_to_many(T element) {
        if (many_.empty()) {
            reserve(2 * in_place);
            many_.assign(few_.all.begin(), few_.all.end());
            count_ = 0;
        }
        many_.push_back(element);
    }

    // Nothing is set up that is not there.
    union Few {
        Few() {}
        std::array<T, in_place> all;
    } few_;
    std::size_t count_ = 0;  // of those in few_; 0 while there are many
    std::vector<T> many_;
};

}  // namespace smmu
