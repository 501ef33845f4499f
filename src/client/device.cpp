// SPDX-License-Identifier: Apache-2.0
// Device: attaching, detaching, reserved regions, and the descriptor of a device that the kernel
// owns.
#include <smmu_ext.h>

#include <algorithm>
#include <cerrno>

#include "client/device_name.hpp"
#include "client/last_error.hpp"
#include "client/session.hpp"

namespace smmu::client {
namespace {

using protocol::Checked;
using protocol::Opcode;
using protocol::refuse;

Checked<int> add(const smmu_object* object, const smmu_devid* device) {
    const auto name = to_wire(device);
    if (!name) return std::unexpected(name.error());
    const Use session;
    if (object == nullptr) {
        const auto reply =
            session->call(Opcode::device_remove, protocol::DeviceRemoveRequest{*name});
        if (!reply) return std::unexpected(reply.error());
        return reply->outcome.result;
    }
    const auto number = session->number_of(object);
    if (!number) return std::unexpected(number.error());
    const auto reply =
        session->call(Opcode::device_add, protocol::DeviceAddRequest{*number, 0, *name});
    if (!reply) return std::unexpected(reply.error());
    return reply->outcome.result;
}

Checked<int> report_reserved(const smmu_devid* device, unsigned offset,
                             std::span<smmu_map_entry> regions) {
    const auto name = to_wire(device);
    if (!name) return std::unexpected(name.error());
    if (regions.data() == nullptr || regions.empty())
        return refuse(EINVAL, "no room for reserved regions");
    const Use session;
    const protocol::ReportReservedRequest request{
        *name, offset,
        std::uint32_t(std::min<std::size_t>(regions.size(), protocol::reserved_per_reply))};
    const auto reply = session->call(Opcode::report_reserved, request);
    if (!reply) return std::unexpected(reply.error());
    const std::size_t count = reply->payload.size() / sizeof(protocol::Entry);
    if (count > request.count || reply->outcome.result != int(count))
        return refuse(EPROTO, "the service's list of reserved regions has a wrong length");
    for (std::size_t i = 0; i < count; ++i) {
        const auto entry = protocol::body_as<protocol::Entry>(
            reply->payload.subspan(i * sizeof(protocol::Entry), sizeof(protocol::Entry)));
        regions[i].phys = entry.address;
        regions[i].len = entry.length;
    }
    return int(count);
}

Checked<int> descriptor_of(const smmu_devid* device) {
    const auto name = to_wire(device);
    if (!name) return std::unexpected(name.error());
    const Use session;
    const auto reply =
        session->call(Opcode::device_descriptor, protocol::DeviceDescriptorRequest{*name});
    if (!reply) return std::unexpected(reply.error());
    return session->take_descriptor().release();
}

}  // namespace
}  // namespace smmu::client

using namespace smmu::client;

extern "C" int smmu_device_add_generic(smmu_object* sop, const smmu_devid* devid) {
    return finish(add(sop, devid));
}

extern "C" unsigned smmu_device_report_reserved(const smmu_devid* devid, unsigned offset,
                                                smmu_map_entry* resv, unsigned nresv) {
    return unsigned(finish(report_reserved(devid, offset, {resv, nresv})));
}

extern "C" int smmu_device_fd(const smmu_devid* devid) {
    return finish(descriptor_of(devid));
}
