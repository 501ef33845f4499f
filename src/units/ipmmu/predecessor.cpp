// SPDX-License-Identifier: Apache-2.0
#include "units/ipmmu/predecessor.hpp"

#include <algorithm>

namespace smmu::units::ipmmu {
namespace {

// The CPU's view of the whole root; nullptr when a part of it is not table memory in use.
const std::uint64_t* root_words(PhysAddr root, TableFormat format, const memory::Arena& arena) {
    for (unsigned frame = 0; frame < 1u << root_order(format); ++frame)
        if (arena.words_at(root + frame * memory::frame_bytes) == nullptr) return nullptr;
    return arena.words_at(root);
}

bool is_empty(const std::uint64_t* words, TableFormat format) {
    const std::size_t count = (memory::frame_bytes << root_order(format)) / sizeof(std::uint64_t);
    return std::all_of(words, words + count, [](std::uint64_t word) { return word == 0; });
}

bool is_tied_to(const CacheUnit& cache, std::uint32_t contexts) {
    for (unsigned slot = 0; slot < cache.slots(); ++slot) {
        const CacheUnit::Slot now = cache.look(slot);
        if (now.on && ((contexts >> now.context & 1) == 0 || !cache.is_enabled(now.context))) return false;
    }
    return true;
}

}  // namespace

std::optional<Predecessor> find_predecessor(const Hardware& hardware, const memory::Arena& arena) {
    const MainUnit& main = hardware.main;
    if (!arena.continued() || main.is_enabled(0)) return std::nullopt;
    std::optional<Predecessor> found;
    std::uint32_t contexts = 0;
    for (unsigned context = 1; context < main.places().contexts(); ++context) {
        if (!main.is_enabled(context)) continue;
        const PhysAddr root = main.root(context);
        const std::uint64_t* const words = root_words(root, main.format(), arena);
        if (words == nullptr || !main.is_as_written(context, root)) return std::nullopt;
        if (!found && is_empty(words, main.format())) found = Predecessor{context, root};
        contexts |= 1u << context;
    }
    if (!found) return std::nullopt;
    for (const CacheUnit& cache : hardware.caches)
        if (hardware.has_power(cache) && !is_tied_to(cache, contexts)) return std::nullopt;
    return found;
}

}  // namespace smmu::units::ipmmu
