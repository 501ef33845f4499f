// SPDX-License-Identifier: Apache-2.0
#include "memory/rows.hpp"

#include <array>

#include "memory/coherency.hpp"
#include "memory/row_instructions.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace smmu::memory::rows {
namespace {

// What every processor does: the templates for any width.
constexpr RowInstructions portable{
    "portable",
    [](std::uint64_t* words, std::size_t count, std::uint64_t first, std::uint64_t step) noexcept {
        fill<std::uint64_t>(words, count, first, step, Way::cached);
    },
    [](std::uint64_t* words, std::size_t count, std::uint64_t first, std::uint64_t step) noexcept {
        store<std::uint64_t>(words, count, first, step);
    },
    [](std::uint64_t* words, const std::uint64_t* terms, std::size_t count, std::uint64_t first) noexcept {
        store_from<std::uint64_t>(words, terms, count, first);
    },
    [](const std::uint64_t* words, std::size_t count) noexcept { return all_live<std::uint64_t>(words, count); },
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
    __m256i low = sequence_of_4(first + head * step, step), high = sequence_of_4(first + (head + 4) * step, step);
    const __m256i further = four_of(8 * step);
    std::size_t i = head;
    for (; i + 8 <= count; i += 8) {
        _mm256_store_si256(reinterpret_cast<__m256i*>(words + i), low);
        _mm256_store_si256(reinterpret_cast<__m256i*>(words + i + 4), high);
        low = _mm256_add_epi64(low, further);
        high = _mm256_add_epi64(high, further);
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

[[gnu::target("avx2")]] bool all_live_avx2(const std::uint64_t* words, std::size_t count) noexcept {
    const __m256i zero = _mm256_setzero_si256();
    const auto empty = [&](std::size_t at) __attribute__((target("avx2"))) { return _mm256_cmpeq_epi64(load_4(words + at), zero); };
    __m256i found = zero, besides = zero;
    std::size_t i = 0;
    for (; i + 8 <= count; i += 8) {
        found = _mm256_or_si256(found, empty(i));
        besides = _mm256_or_si256(besides, empty(i + 4));
    }
    found = _mm256_or_si256(found, besides);
    return _mm256_testz_si256(found, found) != 0 && all_live<std::uint64_t>(words + i, count - i);
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
    __m256i all = _mm256_setzero_si256(), besides = all;
    std::size_t i = 0;
    for (; i + 8 <= count; i += 8) {
        all = _mm256_or_si256(all, load_4(words + i));
        besides = _mm256_or_si256(besides, load_4(words + i + 4));
    }
    all = _mm256_or_si256(all, besides);
    alignas(32) std::uint64_t each[4];
    _mm256_store_si256(reinterpret_cast<__m256i*>(each), all);
    return each[0] | each[1] | each[2] | each[3] | portable.united(words + i, count - i);
}

constexpr RowInstructions avx2{"AVX2", fill_avx2, store_avx2, store_from_avx2, all_live_avx2, is_sequence_avx2, united_avx2};

// Twice as wide where small requests gain by it: their rows are in the nearest cache.
[[gnu::target("avx512f")]] __m512i eight_of(std::uint64_t word) { return _mm512_set1_epi64(static_cast<long long>(word)); }
// The products are put together from those of halves: whole ones take three times as long. (The forms with a mask, because
// those without make g++ 12 warn of an operand of its own.)
[[gnu::target("avx512f")]] __m512i sequence_of_8(std::uint64_t first, std::uint64_t step) {
    const __m512i places = _mm512_set_epi64(7, 6, 5, 4, 3, 2, 1, 0);
    constexpr __mmask8 each = 0xff;
    const __m512i low = _mm512_maskz_mul_epu32(each, places, eight_of(step));
    const __m512i high = _mm512_maskz_mul_epu32(each, places, eight_of(step >> 32));
    return _mm512_add_epi64(eight_of(first), _mm512_add_epi64(low, _mm512_maskz_slli_epi64(each, high, 32)));
}
[[gnu::target("avx512f")]] void store_avx512(std::uint64_t* words, std::size_t count, std::uint64_t first,
                                             std::uint64_t step) noexcept {
    const std::size_t head = words_to_boundary(words, 64, count);
    store<std::uint64_t>(words, head, first, step);
    __m512i next = sequence_of_8(first + head * step, step);
    const __m512i further = eight_of(8 * step);
    std::size_t i = head;
    for (; i + 16 <= count; i += 16) {
        _mm512_store_si512(words + i, next);
        next = _mm512_add_epi64(next, further);
        _mm512_store_si512(words + i + 8, next);
        next = _mm512_add_epi64(next, further);
    }
    store<std::uint64_t>(words + i, count - i, first + i * step, step);
}

[[gnu::target("avx512f")]] bool all_live_avx512(const std::uint64_t* words, std::size_t count) noexcept {
    // The least of each lane: 0 where one was empty.
    __m512i least = _mm512_set1_epi64(-1), besides = least;
    std::size_t i = 0;
    for (; i + 16 <= count; i += 16) {
        least = _mm512_maskz_min_epu64(0xff, least, _mm512_loadu_si512(words + i));
        besides = _mm512_maskz_min_epu64(0xff, besides, _mm512_loadu_si512(words + i + 8));
    }
    least = _mm512_maskz_min_epu64(0xff, least, besides);
    return _mm512_test_epi64_mask(least, least) == 0xff && all_live<std::uint64_t>(words + i, count - i);
}

[[gnu::target("avx512f")]] std::uint64_t united_avx512(const std::uint64_t* words, std::size_t count) noexcept {
    __m512i all = _mm512_setzero_si512(), besides = all;
    std::size_t i = 0;
    for (; i + 16 <= count; i += 16) {
        all = _mm512_or_si512(all, _mm512_loadu_si512(words + i));
        besides = _mm512_or_si512(besides, _mm512_loadu_si512(words + i + 8));
    }
    all = _mm512_or_si512(all, besides);
    alignas(64) std::uint64_t each[8];
    _mm512_store_si512(each, all);
    return portable.united(each, 8) | portable.united(words + i, count - i);
}

constexpr RowInstructions avx512{"AVX-512",       fill_avx2,        store_avx512, store_from_avx2,
                                 all_live_avx512, is_sequence_avx2, united_avx512};

constexpr std::array<const RowInstructions*, 3> all{&avx512, &avx2, &portable};

std::size_t not_had() {
    if (!__builtin_cpu_supports("avx2")) return 2;
    return __builtin_cpu_supports("avx512f") ? 0 : 1;
}

#else

constexpr std::array<const RowInstructions*, 1> all{&portable};

std::size_t not_had() { return 0; }

#endif

[[gnu::always_inline]] inline const RowInstructions& chosen() {
    static const RowInstructions& best = *row_instructions().front();
    return best;
}

}  // namespace

std::span<const RowInstructions* const> row_instructions() noexcept { return std::span(all).subspan(not_had()); }

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
bool any_live(const std::uint64_t* words, std::size_t count) noexcept { return chosen().united(words, count) != 0; }
bool all_live(const std::uint64_t* words, std::size_t count) noexcept { return chosen().all_live(words, count); }
bool is_sequence(const std::uint64_t* words, std::size_t count, std::uint64_t first, std::uint64_t step) noexcept {
    return chosen().is_sequence(words, count, first, step);
}
std::uint64_t united(const std::uint64_t* words, std::size_t count) noexcept { return chosen().united(words, count); }

}  // namespace smmu::memory::rows
