// SPDX-License-Identifier: Apache-2.0
// Coherency: whether a unit's walks look into the CPU's caches, and what to do where they do not.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace smmu::memory {

enum class Coherency : bool { not_snooped, snooped };

// Cache lines that hold some of the bytes, written back.
void clean_lines(const volatile void* start, std::size_t bytes) noexcept;
// words[i] = first + i * step, straight to memory, past the caches. Whole lines: `words` begins one, and `count` is a multiple
// of stream_words. Only where can_stream() says so.
inline constexpr std::size_t stream_words = 8;
bool can_stream() noexcept;
void stream(std::uint64_t* words, std::size_t count, std::uint64_t first, std::uint64_t step) noexcept;
// Orders both before what follows.
void fence_cleaned() noexcept;

// Orders stores before what follows, a write to a register of the unit included: whoever snoops sees them by then.
inline void fence_stores() noexcept {
#if defined(__x86_64__)
    // The processor keeps stores in order by itself: only the compiler has to be told.
    std::atomic_thread_fence(std::memory_order_release);
#elif defined(__aarch64__)
    asm volatile("dsb ishst" : : : "memory");
#else
    std::atomic_thread_fence(std::memory_order_seq_cst);
#endif
}

// The two halves of publish, for many pieces with one fence after the last.
[[gnu::always_inline]] inline void write_back(Coherency coherency, const volatile void* start, std::size_t bytes) noexcept {
    if (coherency == Coherency::not_snooped) clean_lines(start, bytes);
}
[[gnu::always_inline]] inline void fence(Coherency coherency) noexcept {
    if (coherency == Coherency::not_snooped) fence_cleaned();
    fence_stores();
}

// Makes what the CPU wrote to these bytes visible to a walker that does not snoop (cache-line write-back and
// fence); for one that snoops, orders the stores before what follows.
[[gnu::noinline]] inline void publish_cleaned(const volatile void* start, std::size_t bytes) noexcept {
    clean_lines(start, bytes);
    fence(Coherency::not_snooped);
}
[[gnu::always_inline]] inline void publish(Coherency coherency, const volatile void* start, std::size_t bytes) noexcept {
    if (coherency == Coherency::snooped)
        fence_stores();
    else
        publish_cleaned(start, bytes);
}

// The other direction: what a device wrote to these bytes is seen by the CPU's next reads. For memory that the CPU does not
// write meanwhile.
void refresh(Coherency coherency, const volatile void* start, std::size_t bytes) noexcept;

}  // namespace smmu::memory
