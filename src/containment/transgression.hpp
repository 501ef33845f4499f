// SPDX-License-Identifier: Apache-2.0
// Transgression: a refused access with everything known about it: which device, whose, and why.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/access.hpp"
#include "base/clock.hpp"
#include "base/ids.hpp"
#include "base/range.hpp"

namespace smmu::containment {

// The first that fits, in this order.
enum class Cause : std::uint8_t {
    unit_configuration,  // our own tables or descriptors: our fault
    unknown_stream,      // no known device has this stream
    not_attached,        // the device has no owner
    protected_memory,    // memory that no mapping may reach
    permission,          // granted, but not for this access
    in_change,           // granted before and after a change that is being carried out
    after_removal,       // was granted until a short while ago
    overrun,             // within a granule of a grant
    truncated,           // the low half of a granted address: a 32-bit register was written
    never_granted,
    device_gone  // no refusal: the device has vanished and left its object
};
std::string_view name(Cause cause);  // "unit-configuration", "unknown-stream", ...

struct Transgression {
    std::uint64_t sequence = 0;  // 1, 2, ... over the life of the service
    Instant time{};
    UnitId unit{};
    StreamId stream{};
    bool stream_known = true;  // false: one of those that share the tables it was refused by
    std::optional<DeviceIndex> device;
    Iova address{};
    bool address_known = true;
    Access access = Access::none;
    std::uint8_t stage = 0;
    std::array<std::uint64_t, 4> raw{};
    Cause cause = Cause::never_granted;
    Nanoseconds since_removal{};  // with after_removal: how long ago
    std::uint64_t count = 1;      // repeats absorbed
    // The owner when it happened; pid 0 when the device had none.
    pid_t owner_pid = 0;
    uid_t owner_uid = 0;
    ObjectId owner_object{};
};

}  // namespace smmu::containment
