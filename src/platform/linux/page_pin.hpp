// SPDX-License-Identifier: Apache-2.0
// PagePin: pages of a memfd held in place by udmabuf: while the descriptors it gives are open, in whatever process, the
// pages neither move nor are they given to anybody else, whatever becomes of the file.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "platform/linux/host_files.hpp"
#include "platform/linux/huge_file.hpp"

namespace smmu::platform::linux {

// The file is sealed against shrinking, and writable. ENOENT: the kernel has no udmabuf; EINVAL: its buffers are too small for
// one page, or there are holes that are refused; EBADFD: it takes no huge pages.
Result<std::vector<UniqueFd>> pin_pages(const HostFiles& files, const UniqueFd& memory, std::span<const std::uint32_t> pages,
                                        std::uint64_t page_bytes, Holes holes = Holes::filled);

// What udmabuf's refusal to take so many bytes means, for a person.
Error why_not_pinned(int code, std::uint64_t bytes);

}  // namespace smmu::platform::linux
