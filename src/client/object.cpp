// SPDX-License-Identifier: Apache-2.0
// Object: smmu_obj_create and smmu_obj_destroy.
#include <smmu_ext.h>

#include <cerrno>

#include "client/last_error.hpp"
#include "client/session.hpp"

namespace smmu::client {
namespace {

using protocol::Checked;
using protocol::Opcode;
using protocol::refuse;

Checked<smmu_object*> create(unsigned flags) {
    if ((flags & ~SOCF_RESERVED_MANUAL) != 0)
        return refuse(EINVAL, "smmu_obj_create: unknown flag");
    const Use session;
    const auto reply =
        session->call(Opcode::object_create, protocol::ObjectCreateRequest{flags, 0});
    if (!reply) return std::unexpected(reply.error());
    const std::uint32_t number = protocol::body_as<protocol::ObjectCreateReply>(reply->body).object;
    if (smmu_object* object = session->objects.add(number)) return object;
    (void)session->call(Opcode::object_destroy, protocol::ObjectDestroyRequest{number, 0});
    return refuse(ENOMEM, "smmu_obj_create: no memory");
}

Checked<int> destroy(const smmu_object* object) {
    const Use session;
    const auto number = session->number_of(object);
    if (!number) return std::unexpected(number.error());
    const auto reply =
        session->call(Opcode::object_destroy, protocol::ObjectDestroyRequest{*number, 0});
    // Whatever hardware said, the service has forgotten the object.
    session->objects.remove(object);
    if (!reply) return std::unexpected(reply.error());
    return 0;
}

}  // namespace
}  // namespace smmu::client

using namespace smmu::client;

extern "C" smmu_object* smmu_obj_create(unsigned flags) {
    const auto object = create(flags);
    if (object) return *object;
    remember(object.error());
    return nullptr;
}

extern "C" int smmu_obj_destroy_checked(smmu_object* sop) {
    return sop == nullptr ? 0 : finish(destroy(sop));
}

extern "C" void smmu_obj_destroy(smmu_object* sop) {
    const ErrnoKept kept;
    smmu_obj_destroy_checked(sop);
}
