// SPDX-License-Identifier: Apache-2.0
// Event: taking records of refused accesses, and the descriptor that says when there are some.
#include <smmu_ext.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "client/device_name.hpp"
#include "client/last_error.hpp"
#include "client/session.hpp"
#include "protocol/doorbell.hpp"

namespace smmu::client {
namespace {

using protocol::Checked;
using protocol::EventRecord;
using protocol::Opcode;
using protocol::refuse;

constexpr std::size_t event_minimum =
    sizeof(smmu_event);  // as in the first release; the structure only grows

// Records inside the session's last reply.
struct Records {
    protocol::Bytes bytes;
    std::size_t count;
    std::size_t size;  // of one
    EventRecord at(std::size_t index) const {
        return protocol::body_as<EventRecord>(bytes.subspan(index * size, size));
    }
};

Checked<Records> take(Session& session, unsigned count) {
    // Quiet first, then ask: what comes in between rings again.
    if (session.wake_channel_current) protocol::quiet_wake_channel(session.wake_channel.get());
    const protocol::EventsRequest request{
        std::min<std::uint32_t>(count, protocol::events_per_reply), 0};
    const auto reply = session.call(Opcode::events, request);
    if (!reply) return std::unexpected(reply.error());
    const std::size_t size = protocol::body_as<protocol::EventsReply>(reply->body).record_size;
    const auto taken = std::uint32_t(reply->outcome.result);
    if (taken > request.count || (taken != 0 && size < sizeof(EventRecord)) ||
        taken * size != reply->payload.size())
        return refuse(EPROTO, "the service's list of records has a wrong length");
    return Records{reply->payload, taken, size};
}

unsigned dropped_flag(const EventRecord& record) {
    return (record.flags & protocol::event_dropped_before) != 0 ? SSF_DROPPED_FAULTS : 0;
}

smmu_event to_event(const EventRecord& record) {
    smmu_event event{};
    event.size = sizeof(event);
    event.flags = dropped_flag(record);
    if ((record.flags & protocol::event_address_known) != 0)
        event.flags |= SMMU_EVENT_ADDRESS_KNOWN;
    if ((record.flags & protocol::event_stream_known) != 0)
        event.flags |= SMMU_EVENT_STREAM_KNOWN;
    event.sequence = record.sequence;
    event.time_ns = record.time_ns;
    event.count = record.count;
    event.address = record.address;
    event.age_ns = record.age_ns;
    std::copy(std::begin(record.hardware), std::end(record.hardware), event.hardware);
    event.device = from_wire(record.device);
    event.stream = record.stream;
    event.access = record.access;
    event.cause = record.cause;
    event.stage = record.stage;
    event.owner_pid = record.owner_pid;
    event.owner_uid = record.owner_uid;
    event.owner_object = record.owner_object;
    static_assert(sizeof(event.unit) == sizeof(record.unit));
    std::copy(std::begin(record.unit), std::end(record.unit) - 1, event.unit);
    return event;
}

Checked<int> status(smmu_status* status) {
    if (status == nullptr) return refuse(EINVAL, "smmu_xfer_status: no place for the record");
    const Use session;
    const auto records = take(*session, 1);
    if (!records) return std::unexpected(records.error());
    if (records->count == 0) return 0;
    const EventRecord record = records->at(0);
    *status = smmu_status{};
    status->hw_specific = record.hardware[0];
    status->fault_addr = record.address;
    status->devid = from_wire(record.device);
    status->flags = (record.access & (SMF_READ | SMF_WRITE | SMF_EXEC)) | dropped_flag(record);
    return 1;
}

Checked<int> read(smmu_event* events, unsigned count) {
    if (events == nullptr || count == 0)
        return refuse(EINVAL, "smmu_event_read: no room for records");
    const std::size_t stride = events->size;
    if (stride < event_minimum || stride % alignof(smmu_event) != 0)
        return refuse(EINVAL, "smmu_event_read: set events[0].size to sizeof(struct smmu_event)");
    const Use session;
    const auto records = take(*session, count);
    if (!records) return std::unexpected(records.error());
    auto* place = reinterpret_cast<std::byte*>(events);
    for (std::size_t i = 0; i < records->count; ++i, place += stride) {
        const smmu_event event = to_event(records->at(i));
        std::memset(place, 0, stride);
        std::memcpy(place, &event, sizeof(event));
    }
    return int(records->count);
}

Checked<int> descriptor() {
    const Use session;
    if (session->wake_channel_current) return session->wake_channel.get();
    auto channel = protocol::make_wake_channel();
    if (!channel) return std::unexpected(channel.error());
    const auto reply = session->call(Opcode::wake_channel, protocol::WakeChannelRequest{}, {},
                                     channel->theirs.get());
    if (!reply) return std::unexpected(reply.error());
    session->wake_channel = std::move(channel->ours);
    session->wake_channel_current = true;
    return session->wake_channel.get();
}

constexpr std::array<const char*, SMMU_CAUSE_COUNT> cause_names{
    "unit-configuration", "unknown-stream", "not-attached", "protected", "permission",
    "in-change",          "after-removal",  "overrun",      "truncated", "never-granted", "device-gone"};

}  // namespace
}  // namespace smmu::client

using namespace smmu::client;

extern "C" int smmu_xfer_status(smmu_status* ssp) {
    return finish(status(ssp));
}

extern "C" int smmu_event_read(smmu_event* events, unsigned count) {
    return finish(read(events, count));
}

extern "C" int smmu_event_fd(void) {
    return finish(descriptor());
}

extern "C" const char* smmu_cause_name(unsigned cause) {
    return cause < cause_names.size() ? cause_names[cause] : "unknown";
}
