// SPDX-License-Identifier: Apache-2.0
#include "tests/models/rcar/model/power.hpp"

namespace smmu::model::rcar {
namespace {

constexpr std::uint64_t status = 0x00, done = 0x04, clear = 0x08, enable = 0x0c, mask = 0x10;
constexpr std::uint32_t ready = 3;  // SYSCSR: to power off (bit 0) and on (bit 1)

// Of a domain's registers.
constexpr std::uint64_t power_status = 0x00, power_off = 0x04, power_on = 0x0c;
constexpr std::uint32_t is_on = 0x10, is_off = 0x01;

struct DomainFacts {
    Domain domain;
    std::uint64_t offset;
    unsigned bit;  // of SYSCISR
};
constexpr DomainFacts domains[] = {
    {Domain::a3vp, 0x340, 9}, {Domain::a3vc, 0x380, 14}, {Domain::a3ir, 0x180, 24}};

}  // namespace

std::uint32_t Power::read(std::uint64_t offset) const {
    for (const DomainFacts& facts : domains)
        if (offset == facts.offset + power_status)
            return off_[std::size_t(facts.domain)] ? is_off : is_on;
    switch (offset) {
        case status:
            return ready;
        case done:
            return done_;
        case enable:
            return enabled_;
        case mask:
            return masked_;
        default:
            return 0;
    }
}

void Power::write(std::uint64_t offset, std::uint32_t value) {
    for (const DomainFacts& facts : domains) {
        const bool turns_on = offset == facts.offset + power_on;
        if ((!turns_on && offset != facts.offset + power_off) || (value & 1) == 0) continue;
        set(facts.domain, turns_on);
        done_ |= 1u << facts.bit;
    }
    if (offset == clear) done_ &= ~value;
    if (offset == enable) enabled_ = value;
    if (offset == mask) masked_ = value;
}

void Power::set(Domain domain, bool on) {
    bool& off = off_[std::size_t(domain)];
    if (off != on) return;
    off = !on;
    switched_(domain, on);
}

}  // namespace smmu::model::rcar
