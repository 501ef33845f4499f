// SPDX-License-Identifier: Apache-2.0
#include "memory/arena_header.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>

namespace smmu::memory {
namespace {

constexpr std::size_t magic_at = 0, version_at = 8, boot_at = 16, base_at = 32, frames_at = 40,
                      generation_at = 48;

constexpr std::uint64_t with_complement(std::uint32_t generation) {
    return generation | std::uint64_t{~generation} << 32;
}

}  // namespace

// A successor may look at any instant: every field is one atomic store, in the order written.
template <class T>
T ArenaHeader::load(std::size_t offset) const {
    T* field = reinterpret_cast<T*>(memory_.bytes.subspan(offset, sizeof(T)).data());
    return std::atomic_ref<T>(*field).load(std::memory_order_acquire);
}

template <class T>
void ArenaHeader::store(std::size_t offset, T value) {
    T* field = reinterpret_cast<T*>(memory_.bytes.subspan(offset, sizeof(T)).data());
    std::atomic_ref<T>(*field).store(value, std::memory_order_release);
}

std::uint32_t ArenaHeader::own_frames() const {
    const std::uint64_t bytes = taken_at + FrameBits::words_for(frames()) * sizeof(std::uint64_t);
    return static_cast<std::uint32_t>((bytes + frame_bytes - 1) >> frame_log2);
}

Result<std::optional<std::uint32_t>> ArenaHeader::found(const BootIdentity& boot) const {
    if (load<std::uint64_t>(magic_at) != magic) return std::nullopt;
    for (std::size_t i = 0; i < boot.size(); ++i)
        if (load<std::uint8_t>(boot_at + i) != boot[i]) return std::nullopt;

    const auto refuse = [&](std::string what) {
        return fail(EEXIST, fmt::format("the table memory at {:#x} holds the tables of an earlier instance, which hardware "
                                        "may be walking, but {}; the machine must be reset before it can be used otherwise",
                                        memory_.range.first.value, what));
    };
    const auto found_version = load<std::uint32_t>(version_at);
    if (found_version != version) return refuse(fmt::format("of version {}, not {}", found_version, version));
    const auto found_frames = load<std::uint64_t>(frames_at);
    if (const auto base = load<std::uint64_t>(base_at); base != memory_.range.first.value)
        return refuse(fmt::format("was written at {:#x} and lies elsewhere now", base));
    if (found_frames != frames())
        return refuse(fmt::format("of {} KiB, not {}: start with `tables` as it was", found_frames << (frame_log2 - 10),
                                  std::uint64_t{frames()} << (frame_log2 - 10)));
    const auto both = load<std::uint64_t>(generation_at);
    const auto generation = static_cast<std::uint32_t>(both);
    if (both != with_complement(generation) || generation == 0 || generation + 1 >= generation_end)
        return refuse("its header is damaged");
    return generation;
}

void ArenaHeader::write_new(const BootIdentity& boot) {
    store<std::uint64_t>(magic_at, 0);
    taken().clear({0, frames()});
    store<std::uint32_t>(version_at, version);
    for (std::size_t i = 0; i < boot.size(); ++i) store<std::uint8_t>(boot_at + i, boot[i]);
    store<std::uint64_t>(base_at, memory_.range.first.value);
    store<std::uint64_t>(frames_at, frames());
    store<std::uint64_t>(generation_at, with_complement(1));
    store<std::uint64_t>(magic_at, magic);
}

void ArenaHeader::begin(std::uint32_t generation) {
    store<std::uint64_t>(generation_at, with_complement(generation));
}

FrameBits ArenaHeader::taken() const {
    auto* const words = reinterpret_cast<std::uint64_t*>(memory_.bytes.data() + taken_at);
    return FrameBits({words, FrameBits::words_for(frames())});
}

}  // namespace smmu::memory
