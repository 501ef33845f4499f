// SPDX-License-Identifier: Apache-2.0
// Power: the system controller (SYSC) of the third generation, as far as cache units need it: a unit without power hangs
// whoever touches it, and forgets everything.
#pragma once

#include <memory>
#include <string>

#include "base/clock.hpp"
#include "base/range.hpp"
#include "base/result.hpp"
#include "hw/register.hpp"
#include "hw/wait.hpp"
#include "units/ipmmu/product.hpp"

namespace smmu::units::ipmmu {

inline constexpr PhysRange power_registers{{0xe6180000}, {0xe6180fff}};

class Power {
public:
    // Without registers every domain is always on.
    Power(std::unique_ptr<hw::Mmio> mmio, std::string where, Clock& clock)
        : mmio_(std::move(mmio)), where_(std::move(where)), clock_(&clock) {}

    bool is_on(Domain domain) const noexcept;
    // On, and read back so. EIO when it does not come on in time.
    Result<void> turn_on(Domain domain) noexcept;

private:
    std::unique_ptr<hw::Mmio> mmio_;
    std::string where_;
    Clock* clock_;
};

}  // namespace smmu::units::ipmmu
