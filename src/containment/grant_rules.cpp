// SPDX-License-Identifier: Apache-2.0
#include "containment/grant_rules.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "containment/limits.hpp"

namespace smmu::containment {
namespace {

// A grant as the tables will show it.
struct Rounded {
    IovaRange addresses;
    PhysRange memory;
    Grant grant;
};

bool beyond(std::uint64_t last, unsigned bits) {
    return bits < 64 && last >> bits != 0;
}

Result<void> check_unit(const State& state, UnitId id, const Rounded& rounded) {
    const units::Capabilities& unit = state.driver(id)->capabilities();
    const std::string& name = state.machine.unit(id).name;
    if (beyond(rounded.addresses.last.value, unit.input_bits))
        return fail(ERANGE, fmt::format("device address {:#x} is beyond the {} bits of {}",
                                        rounded.addresses.last.value, unit.input_bits, name));
    if (beyond(rounded.memory.last.value, unit.output_bits))
        return fail(ERANGE, fmt::format("physical address {:#x} is beyond the {} bits of {}",
                                        rounded.memory.last.value, unit.output_bits, name));
    if (unit.never_grantable && unit.never_grantable->overlaps(rounded.addresses))
        return fail(EPERM, fmt::format("device addresses {:#x} to {:#x} are never translated by {}",
                                       unit.never_grantable->first.value,
                                       unit.never_grantable->last.value, name));
    const Access given = expressible(unit, rounded.grant.access());
    const bool wider = ((given & read_write) & ~rounded.grant.access()) != Access::none;
    if (wider && !state.policy.widen_allowed)
        return fail(
            EPERM,
            fmt::format("{} cannot express this permission without giving more, and `widen refuse` "
                        "is configured; ask for read as well",
                        name));
    return {};
}

Result<void> check_one(State& state, Client& client, const Object& object, const Rounded& rounded) {
    for (const UnitId unit : object.units) SMMU_CHECK(check_unit(state, unit, rounded));
    const PhysRange memory = rounded.memory;
    if (const std::string* what = state.protected_from(client).met_by(memory))
        return fail(EPERM, fmt::format("{:#x} to {:#x} holds protected memory: {}",
                                       memory.first.value, memory.last.value, *what));
    if (rounded.grant.memory() != MemoryNumber::none) {
        if (!object.memories.holds(rounded.grant.memory(), memory))
            return fail(
                EINVAL,
                fmt::format(
                    "{:#x} to {:#x}, in whole granules of the unit, is more than the memory "
                    "that was handed over; hand over whole granules",
                    memory.first.value, memory.last.value));
        return {};
    }
    if (!may_grant(client.identity, memory, rounded.grant.access()))
        return fail(EPERM,
                    fmt::format("no limit line names {:#x} to {:#x} for {} with these permissions",
                                memory.first.value, memory.last.value, client.identity.command));
    return {};
}

}  // namespace

Result<void> check_grants(State& state, Client& client, Object& object, const Grants& grants,
                          const Windows& windows) {
    Result<void> result;
    const unsigned granule = object.granule_log2;
    for (const IovaRange& window : windows)
        grants.for_each_in(window, [&](IovaRange part, const Grant& grant) {
            if (!result) return;
            const PhysRange memory{grant.physical(), grant.physical() + (part.last - part.first)};
            const Rounded rounded{part.rounded_out(granule), memory.rounded_out(granule), grant};
            result = check_one(state, client, object, rounded);
            if (state.device_registers.met_by(rounded.memory) != nullptr) object.may_open_registers = true;
        });
    return result;
}

}  // namespace smmu::containment
