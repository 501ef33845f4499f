// SPDX-License-Identifier: Apache-2.0
#include "memory/coherency.hpp"

#include <atomic>
#include <cstdint>

#include "base/assert.hpp"

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

namespace smmu::memory {
namespace {

#if defined(__x86_64__)

using CleanLine = void (*)(const volatile void*);

// The intrinsics take a pointer to something that is not volatile; they write nothing.
void* plain(const volatile void* line) { return const_cast<void*>(line); }

[[gnu::target("clwb")]] void clean_by_clwb(const volatile void* line) { _mm_clwb(plain(line)); }
[[gnu::target("clflushopt")]] void clean_by_clflushopt(const volatile void* line) {
    _mm_clflushopt(plain(line));
}
void clean_by_clflush(const volatile void* line) { _mm_clflush(plain(line)); }

struct Cache {
    CleanLine clean_line = clean_by_clflush;
    std::size_t line = 64;
    // A streamed store takes its line out of the caches. Older processors may change it there instead (Intel SDM volume 1,
    // 10.4.6.2); those with clflushopt do not.
    bool streams = false;

    Cache() {
        unsigned a = 0, b = 0, c = 0, d = 0;
        if (__get_cpuid(1, &a, &b, &c, &d) != 0 && (b >> 8 & 0xFF) != 0) line = (b >> 8 & 0xFF) * 8;
        if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0) return;
        constexpr unsigned clflushopt = 1u << 23, clwb = 1u << 24;
        streams = (b & clflushopt) != 0;
        if ((b & clwb) != 0)
            clean_line = clean_by_clwb;
        else if ((b & clflushopt) != 0)
            clean_line = clean_by_clflushopt;
    }
};

void order_cleaned() { _mm_sfence(); }

void stream_lines(std::uint64_t* words, std::size_t count, std::uint64_t first, std::uint64_t step) {
    auto* pair = reinterpret_cast<__m128i*>(words);
    __m128i next = _mm_set_epi64x(static_cast<long long>(first + step), static_cast<long long>(first));
    const __m128i further = _mm_set1_epi64x(static_cast<long long>(2 * step));
    for (const __m128i* const end = pair + count / 2; pair != end; ++pair) {
        _mm_stream_si128(pair, next);
        next = _mm_add_epi64(next, further);
    }
}

// On this architecture no instruction drops a line without writing it back first, which does no harm to a clean one.
void drop_line(const volatile void* line) { _mm_clflush(plain(line)); }
void order_dropped() { _mm_mfence(); }

#elif defined(__aarch64__)

struct Cache {
    std::size_t line;
    static constexpr bool streams = false;

    Cache() {
        std::uint64_t type = 0;
        asm("mrs %0, ctr_el0" : "=r"(type));
        line = std::size_t{4} << (type >> 16 & 0xF);
    }
    static void clean_line(const volatile void* address) {
        asm volatile("dc cvac, %0" : : "r"(address) : "memory");
    }
};

void order_cleaned() { asm volatile("dsb sy" : : : "memory"); }

void drop_line(const volatile void* line) { asm volatile("dc civac, %0" : : "r"(line) : "memory"); }
void order_dropped() { order_cleaned(); }

#else

// No instruction that every CPU of this architecture has: units there must snoop.
struct Cache {
    std::size_t line = 64;
    static constexpr bool streams = false;
    static void clean_line(const volatile void*) { SMMU_ASSERT(!"this CPU cannot clean a cache line"); }
};

void order_cleaned() {}

void drop_line(const volatile void*) { SMMU_ASSERT(!"this CPU cannot drop a cache line"); }
void order_dropped() {}

#endif

#if !defined(__x86_64__)
void stream_lines(std::uint64_t*, std::size_t, std::uint64_t, std::uint64_t) {
    SMMU_ASSERT(!"no stores past the caches on this CPU");
}
#endif

const Cache& cache() {
    static const Cache of_this_cpu;
    return of_this_cpu;
}

// Calls act(line) for every cache line that holds some of the bytes.
template <class Act>
void each_line(const volatile void* start, std::size_t bytes, Act act) {
    const std::size_t step = cache().line;
    const auto end = reinterpret_cast<std::uintptr_t>(start) + bytes;
    for (std::uintptr_t line = reinterpret_cast<std::uintptr_t>(start) & ~(step - 1); line < end; line += step)
        act(reinterpret_cast<const volatile void*>(line));
}

}  // namespace

void clean_lines(const volatile void* start, std::size_t bytes) noexcept {
    if (bytes == 0) return;
    each_line(start, bytes, [](const volatile void* line) { cache().clean_line(line); });
}

bool can_stream() noexcept { return cache().streams; }

void stream(std::uint64_t* words, std::size_t count, std::uint64_t first, std::uint64_t step) noexcept {
    stream_lines(words, count, first, step);
}

void fence_cleaned() noexcept { order_cleaned(); }

void refresh(Coherency coherency, const volatile void* start, std::size_t bytes) noexcept {
    if (coherency == Coherency::snooped || bytes == 0) return;
    each_line(start, bytes, drop_line);
    order_dropped();
}

}  // namespace smmu::memory
