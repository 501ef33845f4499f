// SPDX-License-Identifier: Apache-2.0
#include "containment/claims.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "containment/limits.hpp"

namespace smmu::containment {
namespace {

using topology::Device;

bool matches(const Device& device, const PciQuery& query) {
    const auto* pci = std::get_if<topology::PciAddress>(&device.id);
    return pci != nullptr && pci->segment == query.segment &&
           query.bus.value_or(pci->bus) == pci->bus &&
           query.device.value_or(pci->device) == pci->device &&
           query.function.value_or(pci->function) == pci->function;
}

template <class Predicate>
std::vector<DeviceIndex> blocks_where(const topology::Topology& machine, Predicate predicate) {
    std::vector<DeviceIndex> result;
    for (std::size_t i = 0; i < machine.devices.size(); ++i)
        if (const auto* block = std::get_if<topology::MmioBlock>(&machine.devices[i].id))
            if (predicate(*block)) result.push_back(DeviceIndex(std::uint32_t(i)));
    return result;
}

std::vector<DeviceIndex> matching(const topology::Topology& machine, const PciQuery& query) {
    std::vector<DeviceIndex> result;
    for (std::size_t i = 0; i < machine.devices.size(); ++i)
        if (matches(machine.devices[i], query)) result.push_back(DeviceIndex(std::uint32_t(i)));
    return result;
}

// The exact address alone; else all that start inside; else the one that holds the address.
std::vector<DeviceIndex> matching(const topology::Topology& machine, const MmioQuery& query) {
    using topology::MmioBlock;
    auto exact = blocks_where(machine, [&](const MmioBlock& b) { return b.base == query.base; });
    if (!exact.empty()) return exact;
    if (const auto range = PhysRange::from_length(query.base, query.length)) {
        auto inside =
            blocks_where(machine, [&](const MmioBlock& b) { return range->contains(b.base); });
        if (!inside.empty()) return inside;
    }
    auto around = blocks_where(machine, [&](const MmioBlock& b) {
        const auto range = PhysRange::from_length(b.base, b.length);
        return range && range->contains(query.base);
    });
    if (around.size() > 1) around.resize(1);
    return around;
}

// A group is attached as a whole, so a wildcard leaves out every member of a group it must not
// touch.
bool wildcard_leaves_out(const State& state, DeviceIndex index) {
    const Device& device = state.device(index);
    if (device.is_bridge || device.gone) return true;
    return std::ranges::any_of(state.machine.group(device.group).devices, [&](DeviceIndex member) {
        const Device& other = state.device(member);
        return other.host || other.blocked || starts_with_mappings(other);
    });
}

Result<void> has_working_units(const State& state, DeviceIndex index) {
    const Device& device = state.device(index);
    if (device.gone)
        return fail(ENOENT, fmt::format("{} has vanished from its bus", topology::to_string(device.id)));
    if (device.streams.empty())
        return fail(ENOENT, fmt::format("{} is behind no unit; nothing can contain it",
                                        topology::to_string(device.id)));
    for (const UnitId id : state.groups.units_of(device.group)) {
        const units::IommuUnit* unit = state.driver(id);
        const std::string& name = state.machine.unit(id).name;
        if (unit == nullptr)
            return fail(ENOENT, fmt::format("{} is behind {}, which is not programmed",
                                            topology::to_string(device.id), name));
        if (unit->state() != units::UnitState::containing)
            return fail(EIO, fmt::format("{} is behind {}, which does not contain (see its state)",
                                         topology::to_string(device.id), name));
    }
    return {};
}

// Somebody else's grant that opens registers of this group's devices.
Result<void> registers_are_free(const State& state, const Client& client, GroupId group) {
    const auto meets = [&](PhysRange memory) -> std::optional<DeviceIndex> {
        for (const DeviceIndex index : state.groups.of(group).devices)
            for (const PhysRange& range : state.device(index).registers)
                if (range.overlaps(memory)) return index;
        return std::nullopt;
    };
    for (const auto& [id, other] : state.objects) {
        if (other.client == client.id || !other.may_open_registers) continue;
        for (const auto& piece : other.grants) {
            const PhysAddr first = piece.value.physical();
            const PhysRange memory{first, first + (piece.range.last - piece.range.first)};
            if (const auto device = meets(memory.rounded_out(other.granule_log2)))
                return fail(EBUSY, fmt::format("registers of {} are granted to {}",
                                               state.device_text(*device), state.owner_text(id)));
        }
    }
    for (std::size_t g = 0; g < state.groups.count(); ++g) {
        if (GroupId(std::uint32_t(g)) == group) continue;
        for (const topology::Grant& grant : state.groups.of(GroupId(std::uint32_t(g))).extras)
            if (const auto device = meets(grant.range))
                return fail(
                    EBUSY,
                    fmt::format("registers of {} are opened at start ({}) to {}",
                                state.device_text(*device), grant.origin.text,
                                state.device_text(
                                    state.groups.of(GroupId(std::uint32_t(g))).devices.front())));
    }
    return {};
}

// Who claims a member gets what all of them can reach, so every one must be named for the client.
// Bridges are there for the others.
Result<void> group_is_allowed(const State& state, const Client& client, DeviceIndex wanted) {
    for (const DeviceIndex member : state.groups.of(state.device(wanted).group).devices) {
        const Device& device = state.device(member);
        const std::string why = member == wanted ? ""
                                                 : fmt::format(", and {} cannot be told apart from it",
                                                               state.device_text(wanted));
        if (device.blocked)
            return fail(EPERM, fmt::format("{}: configuration says blocked{}",
                                           state.device_text(member), why));
        const bool counts = member == wanted || !device.is_bridge;
        if (counts && !may_claim(client.identity, device.id))
            return fail(EPERM, fmt::format("{} is not named for {} by a limit line{}",
                                           state.device_text(member), client.identity.command, why));
    }
    return {};
}

// `together`: the devices of the same call.
Result<void> group_is_free(const State& state, const Client& client, const Object& object,
                           DeviceIndex wanted, const std::vector<DeviceIndex>& together) {
    const Device& device = state.device(wanted);
    for (const DeviceIndex member : state.groups.of(device.group).devices) {
        if (state.device(member).host)
            return fail(
                EBUSY, fmt::format("{} is driven by the host's kernel", state.device_text(member)));
        const auto owner = state.groups.device(member).object;
        if (!owner || *owner == object.id) continue;
        const bool asked_for = std::ranges::find(together, member) != together.end();
        if (asked_for && state.find(*owner)->client == client.id) continue;  // it moves
        if (member == wanted)
            return fail(EBUSY, fmt::format("{} belongs to {}", state.device_text(member),
                                           state.owner_text(*owner)));
        return fail(EBUSY, fmt::format("{} cannot be told apart from {}, which belongs to {}",
                                       state.device_text(wanted), state.device_text(member),
                                       state.owner_text(*owner)));
    }
    return {};
}

}  // namespace

std::vector<DeviceIndex> matching(const topology::Topology& machine, const DeviceQuery& query) {
    return std::visit([&](const auto& q) { return matching(machine, q); }, query);
}

bool is_wildcard(const DeviceQuery& query) {
    const auto* pci = std::get_if<PciQuery>(&query);
    return pci != nullptr && (!pci->bus || !pci->device || !pci->function);
}

bool starts_with_mappings(const Device& device) {
    return std::ranges::any_of(device.grants, [](const topology::Grant& grant) {
        return grant.kind == topology::Grant::Kind::startup;
    });
}

std::string to_string(const DeviceQuery& query) {
    if (const auto* block = std::get_if<MmioQuery>(&query))
        return fmt::format("mem:{:#x},{:#x}", block->base.value, block->length);
    const auto& pci = std::get<PciQuery>(query);
    const auto part = [](const std::optional<std::uint32_t>& value, int digits) {
        return value ? fmt::format("{:0{}x}", *value, digits) : std::string("*");
    };
    return fmt::format("{:04x}:{}:{}.{}", pci.segment, part(pci.bus, 2), part(pci.device, 2),
                       part(pci.function, 1));
}

Result<std::vector<DeviceIndex>> claim(State& state, const Client& client, const Object& object,
                                       const DeviceQuery& query) {
    std::vector<DeviceIndex> devices = matching(state.machine, query);
    if (is_wildcard(query))
        std::erase_if(devices,
                      [&](DeviceIndex index) { return wildcard_leaves_out(state, index); });
    if (devices.empty())
        return fail(ENOENT, fmt::format("no device {} is known", to_string(query)));
    for (const DeviceIndex index : devices) {
        SMMU_CHECK(group_is_allowed(state, client, index));
        SMMU_CHECK(group_is_free(state, client, object, index, devices));
        SMMU_CHECK(has_working_units(state, index));
        SMMU_CHECK(registers_are_free(state, client, state.device(index).group));
    }
    return devices;
}

}  // namespace smmu::containment
