// SPDX-License-Identifier: Apache-2.0
// What tests that drive a unit share: a clock whose pauses take no time, refusals kept, changes carried out to their end.
#pragma once

#include <vector>

#include "base/clock.hpp"
#include "topology/topology.hpp"
#include "units/unit.hpp"

namespace smmu::units {

// A unit that says the rest of itself.
inline topology::Unit described(PhysRange registers, unsigned host_address_bits) {
    topology::Unit unit;
    unit.registers = registers;
    unit.host_address_bits = host_address_bits;
    return unit;
}

class Time final : public Clock {
public:
    Instant now() noexcept override { return Instant(time_ += Nanoseconds(100)); }
    void pause(Nanoseconds length) noexcept override { time_ += length; }

private:
    Nanoseconds time_{};
};

class Collected final : public RefusalSink {
public:
    void refused(const Refusal& refusal) noexcept override { all.push_back(refusal); }
    std::vector<Refusal> all;
};

inline Result<void> apply(AddressSpace& space, const Change& change) {
    const Change changes[] = {change};
    SMMU_TRY(Plan plan, space.prepare(changes));
    Budget budget;
    for (;;) {
        SMMU_TRY(const Progress progress, space.commit(plan, budget));
        if (progress == Progress::done) return {};
    }
}

}  // namespace smmu::units
