// SPDX-License-Identifier: Apache-2.0
// Commands: for each opcode the sizes that are right. Server and library check packets against this
// one table before they look inside.
#pragma once

#include <array>
#include <cstddef>

#include "protocol/wire.hpp"

namespace smmu::protocol {

struct Command {
    Opcode opcode;
    const char* name;
    std::size_t body_minimum;     // of a request, as in the first generation
    std::size_t body_known;       // of a request; what follows must be zero
    std::size_t payload_maximum;  // of a request
    std::size_t descriptors_minimum;
    std::size_t descriptors_maximum;
    std::size_t reply_minimum;  // body of a successful reply, as in the first generation
    std::size_t reply_descriptors;
};

template <class Request, class Reply = Outcome>
constexpr Command command(Opcode opcode, const char* name, std::size_t payload_maximum = 0,
                          std::size_t descriptors_minimum = 0, std::size_t descriptors_maximum = 0,
                          std::size_t reply_descriptors = 0) {
    static_assert(is_wire<Request> && is_wire<Reply>);
    return {opcode,
            name,
            sizeof(Request),
            sizeof(Request),
            payload_maximum,
            descriptors_minimum,
            descriptors_maximum,
            sizeof(Reply),
            reply_descriptors};
}

inline constexpr std::array commands{
    command<HelloRequest, HelloReply>(Opcode::hello, "hello"),
    command<ObjectCreateRequest, ObjectCreateReply>(Opcode::object_create, "object_create"),
    command<ObjectDestroyRequest>(Opcode::object_destroy, "object_destroy"),
    command<DeviceAddRequest>(Opcode::device_add, "device_add"),
    command<DeviceRemoveRequest>(Opcode::device_remove, "device_remove"),
    command<MappingRequest>(Opcode::mapping, "mapping", inline_entries * sizeof(Entry), 0, 1),
    command<MappingDescriptorRequest>(Opcode::mapping_descriptor, "mapping_descriptor", 0, 1, 1),
    command<ReportReservedRequest>(Opcode::report_reserved, "report_reserved"),
    command<SafetyRequest>(Opcode::safety, "safety"),
    command<NotifyRequest>(Opcode::notify, "notify", 0, 0, 1),
    command<WakeChannelRequest>(Opcode::wake_channel, "wake_channel", 0, 1, 1),
    command<EventsRequest, EventsReply>(Opcode::events, "events"),
    command<DeviceDescriptorRequest>(Opcode::device_descriptor, "device_descriptor", 0, 0, 0, 1),
    command<QueryRequest>(Opcode::query, "query", 0, 0, 0, 1),
    command<AdministerRequest>(Opcode::administer, "administer", unit_name_limit),
};

// nullptr for an opcode that does not exist.
constexpr const Command* find_command(std::uint16_t opcode) {
    for (const Command& candidate : commands)
        if (std::uint16_t(candidate.opcode) == opcode) return &candidate;
    return nullptr;
}

}  // namespace smmu::protocol
