// SPDX-License-Identifier: Apache-2.0
// PhysicalMap: what the kernel says lies where in physical address space (/proc/iomem).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/range.hpp"
#include "base/result.hpp"

namespace smmu::platform::linux {

class PhysicalMap {
public:
    // EPERM: the kernel shows its addresses to root only. EINVAL: not such a list.
    static Result<PhysicalMap> parse(std::string_view text);

    std::vector<PhysRange> ram() const;  // the kernel's own memory, ascending
    // EINVAL unless every byte is reserved or in no list at all: nothing of it is the kernel's memory or a device's.
    Result<void> check_set_aside(PhysRange range) const;
    // The name under which the kernel's driver holds these registers, if they are a unit's of VT-d.
    std::optional<std::string> kernel_unit(PhysRange range) const;

private:
    struct Area {
        PhysRange range;
        std::string name;
    };
    std::vector<Area> areas_;  // as listed: an area before those inside it
};

}  // namespace smmu::platform::linux
