// SPDX-License-Identifier: Apache-2.0
// Wire: what the packets consist of. Library and service run on one machine, so numbers are in its
// own order.
//
// packet   = Header, body (one of the structures below, Header::body_size bytes), payload (the
// rest) request  = body named after the command;  reply = body that begins with Outcome failure  =
// body is an Outcome alone, payload is the sentence
//
// Growth: a structure only grows at its end. A sender's body may be longer than the receiver's
// structure if the excess of a request is zero (the receiver cannot honour what it does not know);
// it may be shorter down to the minimum of the command table, and what is missing counts as zero.
#pragma once

#include <cstdint>
#include <type_traits>

#include "protocol/limits.hpp"

namespace smmu::protocol {

struct Header {
    std::uint32_t size;       // bytes of the whole packet
    std::uint16_t opcode;     // Opcode, with reply_bit in a reply
    std::uint16_t version;    // protocol_version of the header's form
    std::uint32_t sequence;   // chosen by the client, returned in the reply
    std::uint32_t body_size;  // bytes of the body
};
inline constexpr std::uint16_t reply_bit = 0x8000;

enum class Opcode : std::uint16_t {
    hello = 1,  // must be the first packet of a connection
    object_create = 2,
    object_destroy = 3,
    device_add = 4,
    device_remove = 5,
    mapping = 6,
    mapping_descriptor = 7,
    report_reserved = 8,
    safety = 9,
    notify = 10,
    wake_channel = 11,
    events = 12,
    device_descriptor = 13,
    query = 14,
    administer = 15,
};

// What every reply begins with. `error` is an errno value, 0: done, and `result` is what the C
// function returns.
struct Outcome {
    std::int32_t result;
    std::uint32_t error;
};

struct HelloRequest {
    std::uint32_t oldest_version;  // the generations of the protocol that the client speaks
    std::uint32_t newest_version;
};
struct HelloReply {
    Outcome outcome;
    std::uint64_t instance;  // not 0, another one after each start of the service
    std::uint32_t version;   // the generation that the service chose
    std::int32_t safety;     // as SafetyRequest answers
};

struct ObjectCreateRequest {
    std::uint32_t flags;  // SOCF_*
    std::uint32_t reserved;
};
struct ObjectCreateReply {
    Outcome outcome;
    std::uint32_t object;
    std::uint32_t reserved;
};
struct ObjectDestroyRequest {
    std::uint32_t object;
    std::uint32_t reserved;
};

enum class DeviceKind : std::uint32_t { pci = 0, mmio = 1, none = 2 };  // SDT_*
inline constexpr std::uint32_t any_field = 0xffff'ffff;  // any bus, device or function

// A device as a request means it and as a record names it. Members of the other kind are zero.
struct DeviceName {
    DeviceKind kind;
    std::uint32_t segment;
    std::uint32_t bus;
    std::uint32_t device;
    std::uint32_t function;
    std::uint32_t reserved;
    std::uint64_t base;
    std::uint64_t length;
};
struct DeviceAddRequest {
    std::uint32_t object;
    std::uint32_t reserved;
    DeviceName device;
};
struct DeviceRemoveRequest {
    DeviceName device;
};

// An element of a mapping's or a reserved region's list.
struct Entry {
    std::uint64_t address;
    std::uint64_t length;
};
// Entries are the payload (no descriptor), or the contents of one memfd sealed against writing and
// resizing.
struct MappingRequest {
    std::uint32_t object;
    std::uint32_t flags;  // SMF_*
    std::uint64_t target;
    std::uint32_t count;
    std::uint32_t reserved;
};
// One descriptor: the memory.
struct MappingDescriptorRequest {
    std::uint32_t object;
    std::uint32_t flags;  // SMF_READ, SMF_WRITE, SMF_EXEC
    std::uint64_t offset;
    std::uint64_t length;
    std::uint64_t address;
};

struct ReportReservedRequest {
    DeviceName device;
    std::uint32_t offset;  // index of the first region wanted
    std::uint32_t count;   // at most so many; the reply holds at most reserved_per_reply
};
// Outcome::result regions as payload (Entry).

struct SafetyRequest {
    std::uint64_t reserved;
};

enum class NotifyAction : std::uint32_t { cancel = 0, arm = 1 };
// arm: one descriptor, a message queue (doorbell.hpp). It replaces an earlier one.
struct NotifyRequest {
    NotifyAction action;
    std::uint32_t reserved;
};

// One descriptor: one end of a pair of local packet sockets (doorbell.hpp). The service rings it
// whenever a record comes to wait where none did, and after each reply to `events` if records still
// wait.
struct WakeChannelRequest {
    std::uint64_t reserved;
};

struct EventsRequest {
    std::uint32_t count;  // at most so many; the reply holds at most events_per_reply
    std::uint32_t reserved;
};
// Outcome::result records of record_size bytes as payload.
struct EventsReply {
    Outcome outcome;
    std::uint32_t record_size;
    std::uint32_t reserved;
};
inline constexpr std::uint32_t event_address_known = 1;
inline constexpr std::uint32_t event_stream_known = 4;
inline constexpr std::uint32_t event_dropped_before = 2;  // records were lost since the one before
struct EventRecord {
    std::uint64_t sequence;
    std::uint64_t time_ns;
    std::uint64_t count;
    std::uint64_t address;
    std::uint64_t age_ns;
    std::uint64_t hardware[4];
    DeviceName device;
    std::uint32_t flags;  // event_*
    std::uint32_t stream;
    std::uint32_t access;
    std::uint32_t cause;
    std::uint32_t stage;
    std::uint32_t owner_pid;
    std::uint32_t owner_uid;
    std::uint32_t owner_object;
    char unit[32];  // ends with a zero
};

struct DeviceDescriptorRequest {
    DeviceName device;
};
// One descriptor in the reply.

enum class View : std::uint32_t { status = 0 };  // everything the service knows of itself
// One descriptor in the reply: a memfd that holds the JSON text.
struct QueryRequest {
    View view;
    std::uint32_t reserved;
};

// What only administrators may ask for. Payload: the name of the unit to release, without a zero; otherwise none.
enum class Administration : std::uint32_t { reload = 0, confirm = 1, release_unit = 2 };
struct AdministerRequest {
    Administration action;
    std::uint32_t reserved;
};

template <class T>
inline constexpr bool is_wire = std::is_trivially_copyable_v<T> && std::is_standard_layout_v<T> &&
                                std::has_unique_object_representations_v<T>;
static_assert(is_wire<Header> && sizeof(Header) == 16);
static_assert(is_wire<HelloReply> && sizeof(HelloReply) == 24);
static_assert(is_wire<DeviceName> && sizeof(DeviceName) == 40);
static_assert(is_wire<MappingRequest> && sizeof(MappingRequest) == 24);
static_assert(is_wire<EventRecord> && sizeof(EventRecord) == 176);
static_assert(sizeof(Header) + sizeof(MappingRequest) + inline_entries * sizeof(Entry) <=
              packet_limit);
static_assert(sizeof(Header) + sizeof(EventsReply) + events_per_reply * sizeof(EventRecord) <=
              packet_limit);
static_assert(sizeof(Header) + sizeof(Outcome) + reserved_per_reply * sizeof(Entry) <=
              packet_limit);

}  // namespace smmu::protocol
