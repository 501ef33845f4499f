// SPDX-License-Identifier: Apache-2.0
#include "protocol/entries.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/assert.hpp"

namespace smmu::protocol {
namespace {

constexpr int wanted_seals = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW;

Checked<> read_sealed(int file, std::span<std::byte> bytes) {
    const int seals = fcntl(file, F_GET_SEALS);
    if (seals < 0 || (seals & wanted_seals) != wanted_seals)
        return refuse(EINVAL,
                      "a list of ranges must come in a memfd sealed against writing and resizing");
    std::size_t done = 0;
    while (done < bytes.size()) {
        const ssize_t count = pread(file, bytes.data() + done, bytes.size() - done, off_t(done));
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return refuse_errno(errno, "cannot read the list of ranges");
        if (count == 0)
            return refuse(EINVAL, "the list of ranges is shorter than the request says");
        done += std::size_t(count);
    }
    return {};
}

}  // namespace

Checked<UniqueFd> seal(Bytes bytes) {
    UniqueFd file(memfd_create("smmuman", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (!file) return refuse_errno(errno, "cannot make a memory file");
    std::size_t done = 0;
    while (done < bytes.size()) {
        const ssize_t written =
            pwrite(file.get(), bytes.data() + done, bytes.size() - done, off_t(done));
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0)
            return refuse_errno(written < 0 ? errno : EIO, "cannot fill a memory file");
        done += std::size_t(written);
    }
    if (fcntl(file.get(), F_ADD_SEALS, wanted_seals | F_SEAL_SEAL) != 0)
        return refuse_errno(errno, "cannot seal a memory file");
    return file;
}

Checked<std::uint32_t> count_entries(const Request& request, const Descriptors& descriptors) {
    const std::uint32_t count = body_as<MappingRequest>(request.body).count;
    if (count > entries_limit)
        return refuse(E2BIG, "more than 1,048,576 ranges in one call; use several calls");
    const std::size_t inside = descriptors.size() == 0 ? count * sizeof(Entry) : 0;
    if (request.payload.size() != inside)
        return refuse(EINVAL, "the list of ranges is not as long as the request says");
    return count;
}

Checked<> read_entries(const Request& request, const Descriptors& descriptors,
                       std::span<Entry> entries) {
    const std::span<std::byte> bytes = std::as_writable_bytes(entries);
    if (descriptors.size() != 0) return read_sealed(descriptors.get(0), bytes);
    SMMU_ASSERT(request.payload.size() == bytes.size());
    std::copy(request.payload.begin(), request.payload.end(), bytes.begin());
    return {};
}

}  // namespace smmu::protocol
