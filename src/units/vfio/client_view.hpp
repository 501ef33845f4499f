// SPDX-License-Identifier: Apache-2.0
// ClientView: a client's file in this process's address space, which is how the kernel is told of memory. The kernel pins what
// is mapped for a device; nothing here is ever read or written.
#pragma once

#include <bit>
#include <map>
#include <memory>
#include <utility>

#include "platform/platform.hpp"

namespace smmu::units::vfio {

// A whole file. Sealed, so that it stays as large as it is.
class FileView {
public:
    static Result<std::shared_ptr<FileView>> map(UniqueFd file, std::uint64_t bytes);
    ~FileView();
    FileView(const FileView&) = delete;
    FileView& operator=(const FileView&) = delete;
    std::uint64_t address() const { return std::bit_cast<std::uintptr_t>(start_); }
    std::uint64_t bytes() const { return bytes_; }

private:
    FileView(void* start, std::uint64_t bytes) : start_(start), bytes_(bytes) {}
    void* start_;
    std::uint64_t bytes_;
};

class ClientViews {
public:
    // Extents of the answer carry the mark of process memory. A file that is in view already keeps its place, so that pieces of
    // it that were granted one by one continue each other; one of huge pages is seen anew each time. EINVAL: no file that keeps
    // its size, or not so large, or with holes, or not to be written; E2BIG: too much at once.
    Result<std::unique_ptr<platform::PinnedMemory>> hold(UniqueFd file, std::uint64_t offset, std::uint64_t length);

private:
    using Number = std::pair<std::uint64_t, std::uint64_t>;  // device and inode
    Result<std::shared_ptr<FileView>> view_of(UniqueFd file, Number number, std::uint64_t bytes);

    std::map<Number, std::weak_ptr<FileView>> views_;
};

}  // namespace smmu::units::vfio
