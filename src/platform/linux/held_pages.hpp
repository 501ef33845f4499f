// SPDX-License-Identifier: Apache-2.0
// HeldPages: pages of a file, held in place, and where that is.
#pragma once

#include <functional>

#include "base/address.hpp"
#include "platform/linux/page_pin.hpp"

namespace smmu::platform::linux {

struct HeldPages {
    std::vector<UniqueFd> pins;
    std::vector<PhysAddr> addresses;  // of each page
};

// Where pages are now. EIO: one of those that were seen first is not there any more.
using Whereabouts = std::function<Result<std::vector<PhysAddr>>()>;

// Until it is pinned a page can move, and whoever else has the file can put another one in its place. So what `look` gives is asked
// before and after `pin`, and pins that need not hold what was seen are dropped. EAGAIN: every time anew.
inline constexpr int most_tries_to_hold = 4;
Result<HeldPages> hold(const std::function<Result<Whereabouts>()>& look, const std::function<Result<std::vector<UniqueFd>>()>& pin);

// ENOENT, EINVAL, EBADFD as pin_pages(); ENOMEM: the pool has too few huge pages; EAGAIN as above.
Result<HeldPages> hold_pages(const HostFiles& files, const UniqueFd& memory, std::span<const std::uint32_t> pages, std::uint64_t page_bytes,
                             Holes holes = Holes::filled);

}  // namespace smmu::platform::linux
