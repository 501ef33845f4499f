// SPDX-License-Identifier: Apache-2.0
// Foreign: a unit as somebody else left it - translating everything to itself, or passing
// everything through, with a queue or without - set up by the test before the service starts.
#pragma once

#include "tests/e2e/judges/bench.hpp"

namespace smmu::test {

enum class ForeignQueue : std::uint8_t { off, used, never_used };

// `type` is the translation type of the context entries: 0 through tables, 2 pass-through.
inline void set_up_foreign(Bench& bench, unsigned type, ForeignQueue queue) {
    constexpr std::uint64_t root = place::foreign_tables;
    constexpr std::uint64_t contexts = root + 0x1000;
    constexpr std::uint64_t top = root + 0x2000;
    constexpr std::uint64_t ring = root + 0x5000;
    constexpr std::uint64_t status = root + 0x6000;
    constexpr std::uint64_t width_and_domain = 2 | 7 << 8;
    const Ram& ram = bench.ram();
    const auto put = [&](std::uint64_t at, std::uint64_t value) { ram.store(PhysAddr{at}, value); };
    ram.fill({root}, 0x7000, 0);
    put(root, contexts | 1);
    for (const Function device : {q35::edu_a, q35::edu_b}) {
        put(contexts + 16u * device.devfn(), (type == 0 ? top : 0) | type << 2 | 1);
        put(contexts + 16u * device.devfn() + 8, width_and_domain);
    }
    put(top, (top + 0x1000) | 3);
    put(top + 0x1000, (top + 0x2000) | 3);
    for (std::uint64_t i = 0; i < 512; ++i) put(top + 0x2000 + 8 * i, i << 21 | 0x80 | 3);

    const auto keep = [&] { return bench.read32(0x1c) & 0x96ffffffu; };
    if (queue != ForeignQueue::off) {
        bench.write64(0x90, ring);
        bench.write32(0x18, keep() | vtd::Referee::queue);
    }
    if (queue == ForeignQueue::used) {
        put(ring, 1ull << 32 | 0x25);
        put(ring + 8, status);
        bench.write64(0x88, 16);
    }
    bench.write64(0x20, root);
    bench.write32(0x18, keep() | vtd::Referee::set_root);
    bench.write32(0x18, keep() | vtd::Referee::translation);
    bench.referee().accept(bench.registers());
    bench.set_from_off(false);
}

}  // namespace smmu::test
