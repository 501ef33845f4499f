// SPDX-License-Identifier: Apache-2.0
// Rows: bulk work on consecutive table entries. Entries in a row are mostly a sequence (first, first + step, ...),
// as the memory they lead to is. Vector instructions are chosen at run time, by what this processor has.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace smmu::memory::rows {

// How words get to memory that no walker is led to yet. `streamed` bypasses the processor's caches, but for parts of
// cache lines at both ends; fence_cleaned() must follow before a link does. Only where can_stream().
enum class Way : bool { cached, streamed };

// words[i] = first + i * step, where hardware cannot see it.
void fill(std::uint64_t* words, std::size_t count, std::uint64_t first, std::uint64_t step, Way way) noexcept;

// The same where hardware may be walking: it sees each word as it was or as it becomes, never a part of it.
void store(std::uint64_t* words, std::size_t count, std::uint64_t first, std::uint64_t step) noexcept;
// words[i] = first + terms[i], each stored whole.
void store_from(std::uint64_t* words, const std::uint64_t* terms, std::size_t count, std::uint64_t first) noexcept;

// Whether any word is not zero; whether none is zero.
bool any_live(const std::uint64_t* words, std::size_t count) noexcept;
bool all_live(const std::uint64_t* words, std::size_t count) noexcept;
// Whether words[i] == first + i * step everywhere.
bool is_sequence(const std::uint64_t* words, std::size_t count, std::uint64_t first, std::uint64_t step) noexcept;
// All bits that are set in any of the words.
std::uint64_t united(const std::uint64_t* words, std::size_t count) noexcept;

// Entries of other widths, one by one.
template <class Word>
void fill(Word* words, std::size_t count, Word first, Word step, Way) noexcept {
    for (std::size_t i = 0; i < count; ++i, first = static_cast<Word>(first + step)) words[i] = first;
}
template <class Word>
void store(Word* words, std::size_t count, Word first, Word step) noexcept {
    for (std::size_t i = 0; i < count; ++i, first = static_cast<Word>(first + step))
        std::atomic_ref<Word>(words[i]).store(first, std::memory_order_relaxed);
}
template <class Word>
void store_from(Word* words, const std::uint64_t* terms, std::size_t count, Word first) noexcept {
    for (std::size_t i = 0; i < count; ++i)
        std::atomic_ref<Word>(words[i]).store(static_cast<Word>(first + terms[i]), std::memory_order_relaxed);
}
template <class Word>
bool any_live(const Word* words, std::size_t count) noexcept {
    return std::any_of(words, words + count, [](Word word) { return word != 0; });
}
template <class Word>
bool all_live(const Word* words, std::size_t count) noexcept {
    return std::all_of(words, words + count, [](Word word) { return word != 0; });
}
template <class Word>
bool is_sequence(const Word* words, std::size_t count, Word first, Word step) noexcept {
    for (std::size_t i = 0; i < count; ++i, first = static_cast<Word>(first + step))
        if (words[i] != first) return false;
    return true;
}

}  // namespace smmu::memory::rows
