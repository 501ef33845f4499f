// SPDX-License-Identifier: Apache-2.0
#include "units/vfio/open.hpp"

#include <unistd.h>

#include <bit>

#include "units/vfio/linux_kernel.hpp"
#include "units/vfio/unit.hpp"

namespace smmu::units::vfio {

Result<FirstLook> look(platform::Platform&, const topology::Unit&) { return FirstLook{.answers = true, .register_bytes = 0}; }

Result<std::unique_ptr<IommuUnit>> open(platform::Platform& platform, const topology::Unit& unit, memory::Arena&, memory::Account&, Clock&) {
    SMMU_TRY(auto kernel, open_kernel());
    const auto page_bytes = unsigned(sysconf(_SC_PAGESIZE));
    return std::make_unique<KernelUnit>(std::move(kernel), [&platform] { return platform.kernel_groups(); }, unit.name,
                                        unsigned(std::countr_zero(page_bytes)));
}

Result<void> shut(platform::Platform&, const topology::Unit&, Clock&) { return {}; }

}  // namespace smmu::units::vfio
