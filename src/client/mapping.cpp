// SPDX-License-Identifier: Apache-2.0
// Mapping: granting and removing memory, by address and by descriptor.
#include <fcntl.h>
#include <linux/magic.h>
#include <smmu_ext.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <cerrno>
#include <cstddef>

#include "client/last_error.hpp"
#include "client/session.hpp"
#include "protocol/entries.hpp"

namespace smmu::client {
namespace {

using protocol::Checked;
using protocol::Opcode;
using protocol::refuse;

constexpr unsigned permission_flags = SMF_READ | SMF_WRITE | SMF_EXEC;

// Entries go to the service as the caller has them.
static_assert(sizeof(smmu_map_entry) == sizeof(protocol::Entry));
static_assert(offsetof(smmu_map_entry, phys) == offsetof(protocol::Entry, address));
static_assert(offsetof(smmu_map_entry, len) == offsetof(protocol::Entry, length));

Checked<int> result_of(const Checked<protocol::Reply>& reply) {
    if (!reply) return std::unexpected(reply.error());
    return reply->outcome.result;
}

Checked<int> add(const smmu_object* object, unsigned flags, pid_t pid,
                 std::span<const smmu_map_entry> entries, std::uint64_t target) {
    const Use session;
    const auto number = session->number_of(object);
    if (!number) return std::unexpected(number.error());
    if ((flags & ~(permission_flags | SMF_TARGET)) != 0)
        return refuse(EINVAL, "smmu_mapping_add: unknown flag");
    if (pid != 0) return refuse(EINVAL, "smmu_mapping_add: pid must be 0");
    if (entries.empty()) return 0;
    if (entries.data() == nullptr) return refuse(EINVAL, "smmu_mapping_add: no entries are given");
    if (entries.size() > protocol::entries_limit)
        return refuse(E2BIG, "smmu_mapping_add: more than 1,048,576 entries; use several calls");
    const protocol::MappingRequest request{*number, flags, (flags & SMF_TARGET) != 0 ? target : 0,
                                           std::uint32_t(entries.size()), 0};
    const protocol::Bytes bytes = std::as_bytes(entries);
    if (entries.size() <= protocol::inline_entries)
        return result_of(session->call(Opcode::mapping, request, bytes));
    const auto file = protocol::seal(bytes);
    if (!file) return std::unexpected(file.error());
    return result_of(session->call(Opcode::mapping, request, {}, file->get()));
}

// The service holds pages that are there and makes none: the time and the memory are the caller's. What else is wrong with a file
// the service says.
Checked<> fill(int file) {
    struct statfs system{};
    struct stat status{};
    if (fstatfs(file, &system) != 0 || fstat(file, &status) != 0) return {};
    const int seals = fcntl(file, F_GET_SEALS);
    if ((system.f_type != HUGETLBFS_MAGIC && system.f_type != TMPFS_MAGIC) || seals < 0 || (seals & F_SEAL_SHRINK) == 0) return {};
    constexpr blkcnt_t block = 512;
    if (status.st_blocks >= status.st_size / block) return {};
    while (status.st_size > 0 && fallocate(file, 0, 0, status.st_size) != 0) {
        if (errno == ENOSPC || errno == ENOMEM)
            return refuse(ENOMEM, "smmu_mapping_add_fd: not enough memory, or huge pages, to fill the file");
        if (errno != EINTR) return {};
    }
    return {};
}

Checked<int> add_descriptor(const smmu_object* object, int descriptor,
                            protocol::MappingDescriptorRequest request) {
    const Use session;
    const auto number = session->number_of(object);
    if (!number) return std::unexpected(number.error());
    if ((request.flags & ~permission_flags) != 0 || request.flags == 0)
        return refuse(EINVAL,
                      "smmu_mapping_add_fd: flags are SMF_READ, SMF_WRITE, SMF_EXEC, at least one");
    if (descriptor < 0) return refuse(EBADF, "smmu_mapping_add_fd: not an open descriptor");
    if (const auto filled = fill(descriptor); !filled) return std::unexpected(filled.error());
    request.object = *number;
    return result_of(session->call(Opcode::mapping_descriptor, request, {}, descriptor));
}

}  // namespace
}  // namespace smmu::client

using namespace smmu::client;

extern "C" int smmu_mapping_add(smmu_object* sop, unsigned flags, pid_t pid, unsigned num_entries,
                                const smmu_map_entry* entries, _Uint64t target) {
    return finish(add(sop, flags, pid, {entries, num_entries}, target));
}

extern "C" int smmu_mapping_add_fd(smmu_object* sop, unsigned flags, int fd, _Uint64t offset,
                                   _Uint64t len, _Uint64t iova) {
    return finish(add_descriptor(sop, fd, {0, flags, offset, len, iova}));
}
