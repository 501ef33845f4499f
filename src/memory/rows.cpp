// SPDX-License-Identifier: Apache-2.0
#include "memory/rows.hpp"

#include "memory/coherency.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace smmu::memory::rows {
namespace {

struct Instructions {
    void (*fill)(std::uint64_t*, std::size_t, std::uint64_t, std::uint64_t) noexcept;  // whole lines
    void (*store)(std::uint64_t*, std::size_t, std::uint64_t, std::uint64_t) noexcept;
    void (*store_from)(std::uint64_t*, const std::uint64_t*, std::size_t, std::uint64_t) noexcept;
    std::size_t (*count_live)(const std::uint64_t*, std::size_t) noexcept;
    bool (*is_sequence)(const std::uint64_t*, std::size_t, std::uint64_t, std::uint64_t) noexcept;
    std::uint64_t (*united)(const std::uint64_t*, std::size_t) noexcept;
};

// What every processor does: the templates for any width.
constexpr Instructions portable{
    [](std::uint64_t* words, std::size_t count, std::uint64_t first, std::uint64_t step) noexcept {
        fill<std::uint64_t>(words, count, first, step, Way::cached);
    },
    [](std::uint64_t* words, std::size_t count, std::uint64_t first, std::uint64_t step) noexcept {
        store<std::uint64_t>(words, count, first, step);
    },
    [](std::uint64_t* words, const std::uint64_t* terms, std::size_t count, std::uint64_t first) noexcept {
        store_from<std::uint64_t>(words, terms, count, first);
    },
    [](const std::uint64_t* words, std::size_t count) noexcept { return count_live<std::uint64_t>(words, count); },
    [](const std::uint64_t* words, std::size_t count, std::uint64_t first, std::uint64_t step) noexcept {
        return is_sequence<std::uint64_t>(words, count, first, step);
    },
    [](const std::uint64_t* words, std::size_t count) noexcept {
        std::uint64_t all = 0;
        for (std::size_t i = 0; i < count; ++i) all |= words[i];
        return all;
    },
};

// Words before the next multiple of `bytes`, at most `count`.
std::size_t words_to_boundary(const std::uint64_t* words, std::size_t bytes, std::size_t count) {
    const auto past = reinterpret_cast<std::uintptr_t>(words) & (bytes - 1);
    return past == 0 ? 0 : std::min(count, (bytes - past) / sizeof(std::uint64_t));
}

#if defined(__x86_64__)

[[gnu::target("avx2")]] __m256i sequence_of_4(std::uint64_t first, std::uint64_t step) {
    return _mm256_set_epi64x(static_cast<long long>(first + 3 * step), static_cast<long long>(first + 2 * step),
                             static_cast<long long>(first + step), static_cast<long long>(first));
}
[[gnu::target("avx2")]] __m256i four_of(std::uint64_t word) { return _mm256_set1_epi64x(static_cast<long long>(word)); }
[[gnu::target("avx2")]] __m256i load_4(const std::uint64_t* words) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(words));
}

[[gnu::target("avx2")]] void fill_avx2(std::uint64_t* words, std::size_t count, std::uint64_t first,
                                       std::uint64_t step) noexcept {
    __m256i low = sequence_of_4(first, step), high = sequence_of_4(first + 4 * step, step);
    const __m256i further = four_of(8 * step);
    for (std::size_t i = 0; i < count; i += 8) {
        auto* const line = reinterpret_cast<__m256i*>(words + i);
        _mm256_store_si256(line, low);
        _mm256_store_si256(line + 1, high);
        low = _mm256_add_epi64(low, further);
        high = _mm256_add_epi64(high, further);
    }
}

// Of an aligned vector store every aligned word of 8 bytes is stored whole. The manuals promise 16 bytes at a time on
// processors with AVX (Intel SDM volume 3, 9.1.1; AMD APM volume 2, 7.3.2) and leave open whether 32 are one access or two of
// those; nothing smaller comes of it.
[[gnu::target("avx2")]] void store_avx2(std::uint64_t* words, std::size_t count, std::uint64_t first,
                                        std::uint64_t step) noexcept {
    const std::size_t head = words_to_boundary(words, 32, count);
    store<std::uint64_t>(words, head, first, step);
    __m256i next = sequence_of_4(first + head * step, step);
    const __m256i further = four_of(4 * step);
    std::size_t i = head;
    for (; i + 4 <= count; i += 4) {
        _mm256_store_si256(reinterpret_cast<__m256i*>(words + i), next);
        next = _mm256_add_epi64(next, further);
    }
    store<std::uint64_t>(words + i, count - i, first + i * step, step);
}

[[gnu::target("avx2")]] void store_from_avx2(std::uint64_t* words, const std::uint64_t* terms, std::size_t count,
                                             std::uint64_t first) noexcept {
    const std::size_t head = words_to_boundary(words, 32, count);
    store_from<std::uint64_t>(words, terms, head, first);
    const __m256i base = four_of(first);
    std::size_t i = head;
    for (; i + 4 <= count; i += 4)
        _mm256_store_si256(reinterpret_cast<__m256i*>(words + i), _mm256_add_epi64(base, load_4(terms + i)));
    store_from<std::uint64_t>(words + i, terms + i, count - i, first);
}

[[gnu::target("avx2")]] std::uint64_t sum_of_4(__m256i lanes) {
    alignas(32) std::uint64_t each[4];
    _mm256_store_si256(reinterpret_cast<__m256i*>(each), lanes);
    return each[0] + each[1] + each[2] + each[3];
}

[[gnu::target("avx2")]] std::size_t count_live_avx2(const std::uint64_t* words, std::size_t count) noexcept {
    const __m256i zero = _mm256_setzero_si256();
    __m256i empty = zero;  // minus how many
    std::size_t i = 0;
    for (; i + 4 <= count; i += 4) empty = _mm256_add_epi64(empty, _mm256_cmpeq_epi64(load_4(words + i), zero));
    return i + static_cast<std::size_t>(sum_of_4(empty)) + count_live<std::uint64_t>(words + i, count - i);
}

[[gnu::target("avx2")]] bool is_sequence_avx2(const std::uint64_t* words, std::size_t count, std::uint64_t first,
                                              std::uint64_t step) noexcept {
    __m256i expected = sequence_of_4(first, step), wrong = _mm256_setzero_si256();
    const __m256i further = four_of(4 * step);
    std::size_t i = 0;
    for (; i + 4 <= count; i += 4) {
        wrong = _mm256_or_si256(wrong, _mm256_xor_si256(load_4(words + i), expected));
        expected = _mm256_add_epi64(expected, further);
    }
    return _mm256_testz_si256(wrong, wrong) != 0 && is_sequence<std::uint64_t>(words + i, count - i, first + i * step, step);
}

[[gnu::target("avx2")]] std::uint64_t united_avx2(const std::uint64_t* words, std::size_t count) noexcept {
    __m256i all = _mm256_setzero_si256();
    std::size_t i = 0;
    for (; i + 4 <= count; i += 4) all = _mm256_or_si256(all, load_4(words + i));
    alignas(32) std::uint64_t each[4];
    _mm256_store_si256(reinterpret_cast<__m256i*>(each), all);
    return each[0] | each[1] | each[2] | each[3] | portable.united(words + i, count - i);
}

constexpr Instructions avx2{fill_avx2, store_avx2, store_from_avx2, count_live_avx2, is_sequence_avx2, united_avx2};

const Instructions& chosen() {
    static const Instructions& best = __builtin_cpu_supports("avx2") ? avx2 : portable;
    return best;
}

#else

const Instructions& chosen() { return portable; }

#endif

}  // namespace

// What does not make up a line, at both ends, one by one; the lines between as the way says.
void fill(std::uint64_t* words, std::size_t count, std::uint64_t first, std::uint64_t step, Way way) noexcept {
    constexpr std::size_t line = stream_words;
    const std::size_t head = words_to_boundary(words, line * sizeof *words, count);
    const std::size_t body = (count - head) / line * line, tail = count - head - body;
    fill<std::uint64_t>(words, head, first, step, way);
    (way == Way::streamed ? stream : chosen().fill)(words + head, body, first + head * step, step);
    fill<std::uint64_t>(words + head + body, tail, first + (head + body) * step, step, way);
}
void store(std::uint64_t* words, std::size_t count, std::uint64_t first, std::uint64_t step) noexcept {
    chosen().store(words, count, first, step);
}
void store_from(std::uint64_t* words, const std::uint64_t* terms, std::size_t count, std::uint64_t first) noexcept {
    chosen().store_from(words, terms, count, first);
}
std::size_t count_live(const std::uint64_t* words, std::size_t count) noexcept { return chosen().count_live(words, count); }
bool is_sequence(const std::uint64_t* words, std::size_t count, std::uint64_t first, std::uint64_t step) noexcept {
    return chosen().is_sequence(words, count, first, step);
}
std::uint64_t united(const std::uint64_t* words, std::size_t count) noexcept { return chosen().united(words, count); }

}  // namespace smmu::memory::rows
