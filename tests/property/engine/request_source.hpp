// SPDX-License-Identifier: Apache-2.0
// RequestSource: random requests that go where page tables break: edges of tables and leaves, 2^32, the top of the
// space; large leaves cut from either side; many small things at once.
#pragma once

#include <vector>

#include <bit>

#include "tests/property/engine/checked_space.hpp"

namespace smmu::paging::test {

// SMMU_TEST_SEED, or a fixed one: a run is repeatable unless it is asked not to be.
std::uint64_t seed_of_run();

class RequestSource {
public:
    // `write_alone`: the format can say it.
    RequestSource(Random& random, unsigned input_bits, std::uint64_t leaf_sizes, bool write_alone = true)
        : random_(random), input_bits_(input_bits), leaf_sizes_(leaf_sizes),
          page_log2_(static_cast<unsigned>(std::countr_zero(leaf_sizes))), write_alone_(write_alone) {}

    // `mapped`: what is there, so that most requests make sense.
    std::vector<Change> next(const Oracle& mapped);
    CheckedSpaceBase::Options options();

private:
    std::uint64_t below(std::uint64_t bound) { return random_() % bound; }
    bool once_in(std::uint64_t times) { return below(times) == 0; }
    std::uint64_t pages();
    std::uint64_t first_page();
    IovaRange pages_from(std::uint64_t first, std::uint64_t last) const {
        return {Iova{first << page_log2_}, Iova{((last + 1) << page_log2_) - 1}};
    }
    IovaRange anywhere();
    IovaRange inside(const Oracle& mapped);
    Map map(IovaRange range);
    Map list(IovaRange range);
    Access access();

    Random& random_;
    unsigned input_bits_;
    std::uint64_t leaf_sizes_;
    unsigned page_log2_;
    bool write_alone_;
    std::vector<PhysAddr> list_;  // of the last request
};

}  // namespace smmu::paging::test
