// SPDX-License-Identifier: Apache-2.0
// What a session does for each command: wire values to containment's and back.
#include <smmu.h>

#include <array>
#include <cstring>

#include "daemon/held_client_memory.hpp"
#include "daemon/service.hpp"
#include "daemon/session.hpp"
#include "protocol/entries.hpp"
#include "protocol/result.hpp"

namespace smmu::daemon {

namespace {

using containment::DeviceQuery;
using containment::GrantRequest;
using containment::MmioQuery;
using containment::PciQuery;
using protocol::body_as;
using protocol::Descriptors;
using protocol::DeviceKind;
using protocol::DeviceName;
using protocol::Request;

constexpr unsigned permission_flags = SMF_READ | SMF_WRITE | SMF_EXEC;

Result<DeviceQuery> query_of(const DeviceName& name) {
    const auto field = [](std::uint32_t value) {
        return value == protocol::any_field ? std::nullopt : std::optional(value);
    };
    switch (name.kind) {
        case DeviceKind::pci:
            if (name.segment > 0xffff) return fail(EINVAL, "a PCI segment is a number below 65536");
            return PciQuery{std::uint16_t(name.segment), field(name.bus), field(name.device), field(name.function)};
        case DeviceKind::mmio: return MmioQuery{{name.base}, name.length};
        case DeviceKind::none: break;
    }
    return fail(EINVAL, "a device is named as SDT_PCI or SDT_MMIO");
}

DeviceName name_of(const topology::DeviceId& id) {
    DeviceName name{};
    if (const auto* pci = std::get_if<topology::PciAddress>(&id)) {
        name.kind = DeviceKind::pci;
        name.segment = pci->segment;
        name.bus = pci->bus;
        name.device = pci->device;
        name.function = pci->function;
    } else if (const auto* block = std::get_if<topology::MmioBlock>(&id)) {
        name.kind = DeviceKind::mmio;
        name.base = block->base.value;
        name.length = block->length;
    } else {
        name.kind = DeviceKind::none;  // known to the ACPI name space only: programs have no name for it
    }
    return name;
}

protocol::EventRecord record_of(const containment::Reader::Record& from, const topology::Topology& topology) {
    const containment::Transgression& what = from.transgression;
    protocol::EventRecord record{};
    record.sequence = what.sequence;
    record.time_ns = std::uint64_t(what.time.time_since_epoch().count());
    record.count = what.count;
    record.address = what.address.value;
    record.age_ns = std::uint64_t(what.since_removal.count());
    std::ranges::copy(what.raw, record.hardware);
    record.device.kind = DeviceKind::none;
    if (what.device) record.device = name_of(topology.device(*what.device).id);
    record.flags = (what.address_known ? protocol::event_address_known : 0) |
                   (what.stream_known ? protocol::event_stream_known : 0) |
                   (from.dropped_before ? protocol::event_dropped_before : 0);
    const topology::Unit& unit = topology.unit(what.unit);
    const auto name = what.stream_known ? stream_name(unit, what.stream) : topology::StreamName{unit.name, 0};
    record.stream = name.number;
    record.access = std::uint32_t(what.access);
    record.cause = std::uint32_t(what.cause);
    record.stage = what.stage;
    record.owner_pid = std::uint32_t(what.owner_pid);
    record.owner_uid = what.owner_uid;
    record.owner_object = raw(what.owner_object);
    std::memcpy(record.unit, name.unit.data(), std::min(name.unit.size(), sizeof record.unit - 1));
    return record;
}

// The pieces of a mapping call: entry i leads to `target` plus the lengths before it, or to its own address.
Result<GrantRequest::Pieces> pieces_of(std::span<const protocol::Entry> entries, bool translated,
                                                   std::uint64_t target) {
    GrantRequest::Pieces pieces;
    pieces.reserve(entries.size());
    for (const protocol::Entry& entry : entries) {
        const auto range = IovaRange::from_length({entry.address}, entry.length);
        if (!range) return fail(EINVAL, "an entry of length 0, or one that wraps past the end of the address space");
        const PhysAddr physical{translated ? target : entry.address};
        if (!PhysRange::from_length(physical, entry.length))
            return fail(EINVAL, "target wraps past the end of the address space");
        pieces.push_back({*range, physical});
        target += entry.length;
    }
    return pieces;
}

}  // namespace

template <class Reply>
void Session::answer(const Reply& reply, protocol::Bytes payload, int descriptor) {
    static std::array<std::byte, protocol::packet_limit> buffer;  // one thread, one reply at a time
    send(protocol::encode_reply(buffer, protocol::Opcode(opcode_), sequence_, reply, payload), descriptor);
}

void Session::answer_done() { answer(protocol::Outcome{}); }

Result<void> Session::hello(const Request& request, Descriptors&) {
    const auto body = body_as<protocol::HelloRequest>(request.body);
    if (!client_) return pass_on(Result<ClientId>(client_));
    if (body.oldest_version > protocol::protocol_version || body.newest_version < protocol::protocol_version) {
        ended_ = true;
        return fail(EPROTO, "this service and the library of the program do not understand each other; use those of one release");
    }
    greeted_ = true;
    protocol::HelloReply reply{};
    reply.instance = service_.instance();
    reply.version = protocol::protocol_version;
    reply.safety = service_.safety();
    answer(reply);
    return {};
}

Result<void> Session::object_create(const Request& request, Descriptors&) {
    const auto body = body_as<protocol::ObjectCreateRequest>(request.body);
    if ((body.flags & ~SOCF_RESERVED_MANUAL) != 0) return fail(EINVAL, "unknown flag of an object");
    SMMU_TRY(const ObjectId object,
             service_.containment().create_object(*client_, (body.flags & SOCF_RESERVED_MANUAL) != 0));
    protocol::ObjectCreateReply reply{};
    reply.object = raw(object);
    answer(reply);
    return {};
}

Result<void> Session::object_destroy(const Request& request, Descriptors&) {
    const auto body = body_as<protocol::ObjectDestroyRequest>(request.body);
    SMMU_CHECK(service_.containment().destroy_object(*client_, ObjectId(body.object)));
    answer_done();
    return {};
}

Result<void> Session::device_add(const Request& request, Descriptors&) {
    const auto body = body_as<protocol::DeviceAddRequest>(request.body);
    SMMU_TRY(const DeviceQuery device, query_of(body.device));
    SMMU_TRY(auto operation, service_.containment().add_device(*client_, ObjectId(body.object), device));
    begin(std::move(operation));
    return {};
}

Result<void> Session::device_remove(const Request& request, Descriptors&) {
    const auto body = body_as<protocol::DeviceRemoveRequest>(request.body);
    SMMU_TRY(const DeviceQuery device, query_of(body.device));
    SMMU_CHECK(service_.containment().remove_device(*client_, device));
    answer_done();
    return {};
}

Result<void> Session::mapping(const Request& request, Descriptors& descriptors) {
    const auto body = body_as<protocol::MappingRequest>(request.body);
    if ((body.flags & ~(permission_flags | SMF_TARGET)) != 0)
        return fail(EINVAL, "unknown flag of a mapping (SMF_VIRT is for future use)");
    const auto count = protocol::count_entries(request, descriptors);
    if (!count) return std::unexpected(protocol::to_error(count.error()));
    ShortList<protocol::Entry, 2> entries;
    entries.resize(*count);
    if (const auto read = protocol::read_entries(request, descriptors, entries); !read)
        return std::unexpected(protocol::to_error(read.error()));

    GrantRequest grant;
    grant.access = Access(body.flags & permission_flags);
    if (grant.access != Access::none) SMMU_CHECK(service_.check_by_address());
    // A removal names device addresses only; its target, if given, says nothing more.
    grant.translated = (body.flags & SMF_TARGET) != 0 && grant.access != Access::none;
    SMMU_TRY(grant.pieces, pieces_of(entries, grant.translated, body.target));
    SMMU_TRY(auto operation,
             service_.containment().change_grants(*client_, ObjectId(body.object), std::move(grant)));
    begin(std::move(operation));
    return {};
}

Result<void> Session::mapping_descriptor(const Request& request, Descriptors& descriptors) {
    const auto body = body_as<protocol::MappingDescriptorRequest>(request.body);
    if ((body.flags & ~permission_flags) != 0 || body.flags == 0)
        return fail(EINVAL, "memory by descriptor is granted with SMF_READ, SMF_WRITE or SMF_EXEC, and nothing else");
    if (!IovaRange::from_length({body.address}, body.length))
        return fail(EINVAL, "a length of 0, or a range that wraps past the end of the address space");
    SMMU_CHECK(service_.containment().check_owner(*client_, ObjectId(body.object)));
    const uid_t user = service_.containment().identity(*client_).uid;
    SMMU_CHECK(service_.pin_quota().check(user, {body.length, 1}));
    SMMU_TRY(auto pinned, service_.hold(descriptors.take(0), body.offset, body.length));
    SMMU_TRY(auto share, service_.pin_quota().take(user, pinned->cost()));

    GrantRequest grant;
    grant.access = Access(body.flags);
    grant.memory = std::make_shared<HeldClientMemory>(std::move(pinned), std::move(share));
    std::uint64_t done = 0;
    for (const PhysRange& extent : grant.memory->extents()) {
        const IovaRange range{{body.address + done}, {body.address + done + extent.length() - 1}};
        grant.pieces.push_back({range, extent.first});
        done += extent.length();
    }
    SMMU_TRY(auto operation,
             service_.containment().change_grants(*client_, ObjectId(body.object), std::move(grant)));
    begin(std::move(operation));
    return {};
}

Result<void> Session::report_reserved(const Request& request, Descriptors&) {
    const auto body = body_as<protocol::ReportReservedRequest>(request.body);
    SMMU_TRY(const DeviceQuery device, query_of(body.device));
    SMMU_TRY(const std::vector<topology::Grant> regions, service_.containment().reserved(device));
    std::vector<PhysRange> distinct;  // firmware and configuration may name the same region
    for (const topology::Grant& region : regions)
        if (std::ranges::find(distinct, region.range) == distinct.end()) distinct.push_back(region.range);
    std::vector<protocol::Entry> entries;
    for (std::size_t i = body.offset; i < distinct.size(); ++i) {
        if (entries.size() == std::min(body.count, protocol::reserved_per_reply)) break;
        entries.push_back({distinct[i].first.value, distinct[i].length()});
    }
    protocol::Outcome outcome{};
    outcome.result = std::int32_t(entries.size());
    answer(outcome, std::as_bytes(std::span(entries)));
    return {};
}

Result<void> Session::safety(const Request&, Descriptors&) {
    protocol::Outcome outcome{};
    outcome.result = service_.safety();
    answer(outcome);
    return {};
}

Result<void> Session::notify(const Request& request, Descriptors& descriptors) {
    const auto body = body_as<protocol::NotifyRequest>(request.body);
    SMMU_TRY(const containment::Reader* records, reader());
    if (body.action == protocol::NotifyAction::cancel) {
        notifier_.cancel();
    } else {
        if (descriptors.size() != 1) return fail(EINVAL, "a notification comes with its message queue");
        if (const auto usable = protocol::check_notification(descriptors.get(0)); !usable)
            return std::unexpected(protocol::to_error(usable.error()));
        notifier_.arm(descriptors.take(0));
        if (records->waiting()) notifier_.ring();
    }
    answer_done();
    return {};
}

Result<void> Session::wake_channel(const Request&, Descriptors& descriptors) {
    if (const auto usable = protocol::check_wake_channel(descriptors.get(0)); !usable)
        return std::unexpected(protocol::to_error(usable.error()));
    SMMU_TRY(const containment::Reader* records, reader());
    notifier_.wake_by(descriptors.take(0));
    if (records->waiting()) notifier_.ring();
    answer_done();
    return {};
}

Result<void> Session::events(const Request& request, Descriptors&) {
    const auto body = body_as<protocol::EventsRequest>(request.body);
    SMMU_TRY(containment::Reader* records, reader());
    std::vector<protocol::EventRecord> taken;
    while (taken.size() < std::min(body.count, protocol::events_per_reply)) {
        const auto record = records->next();
        if (!record) break;
        taken.push_back(record_of(*record, service_.containment().topology()));
    }
    protocol::EventsReply reply{};
    reply.outcome.result = std::int32_t(taken.size());
    reply.record_size = sizeof(protocol::EventRecord);
    answer(reply, std::as_bytes(std::span(taken)));
    if (records->waiting()) notifier_.ring();
    return {};
}

Result<void> Session::device_descriptor(const Request& request, Descriptors&) {
    const auto body = body_as<protocol::DeviceDescriptorRequest>(request.body);
    SMMU_TRY(const DeviceQuery device, query_of(body.device));
    SMMU_TRY(const UniqueFd descriptor, service_.device_descriptor(*client_, device));
    answer(protocol::Outcome{}, {}, descriptor.get());
    return {};
}

Result<void> Session::query(const Request& request, Descriptors&) {
    const auto body = body_as<protocol::QueryRequest>(request.body);
    if (body.view != protocol::View::status)
        return fail(ENOTSUP, "this service answers the view 'status', which holds everything");
    const std::string text = service_.status_json(*client_);
    auto document = protocol::seal(std::as_bytes(std::span(text)));
    if (!document) return std::unexpected(protocol::to_error(document.error()));
    answer(protocol::Outcome{}, {}, document->get());
    return {};
}

}  // namespace smmu::daemon
