// SPDX-License-Identifier: Apache-2.0
// Numbers with a meaning. Each is a type of its own, so that two of them cannot be exchanged by mistake.
#pragma once

#include <cstdint>

namespace smmu {

enum class StreamId : std::uint32_t {};   // PCI requester id, Arm StreamID, micro-TLB: what the unit sees
enum class UnitId : std::uint32_t {};     // index of a unit in the topology
enum class DeviceIndex : std::uint32_t {};  // index of a device in the topology
enum class GroupId : std::uint32_t {};    // index of a group: devices that hardware cannot tell apart
enum class ObjectId : std::uint32_t {};   // a client's SMMU object
enum class ClientId : std::uint32_t {};   // a connected process

template <class E>
constexpr std::uint32_t raw(E id) {
    return static_cast<std::uint32_t>(id);
}

}  // namespace smmu
