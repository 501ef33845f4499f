// SPDX-License-Identifier: Apache-2.0
#include "daemon/registry.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "platform/board/board_platform.hpp"
#include "platform/linux/linux_platform.hpp"
#include "units/ipmmu/open.hpp"
#include "units/smmuv2/open.hpp"
#include "units/smmuv3/open.hpp"
#include "units/vfio/open.hpp"
#include "units/vtd/open.hpp"

namespace smmu::daemon {

Result<std::unique_ptr<platform::Platform>> open_platform(const config::PlatformChoice& choice) {
    if (choice.board) return platform::board::open(choice.name);
    return platform::linux::open();
}

namespace {

// Each room under units/ offers these three.
struct Driver {
    topology::UnitKind kind;
    Result<units::FirstLook> (*look)(platform::Platform&, const topology::Unit&);
    Result<std::unique_ptr<units::IommuUnit>> (*open)(platform::Platform&, const topology::Unit&, memory::Arena&, memory::Account&,
                                                      Clock&);
    Result<void> (*shut)(platform::Platform&, const topology::Unit&, Clock&);
};

constexpr std::array drivers{
    Driver{topology::UnitKind::vtd, units::vtd::look, units::vtd::open, units::vtd::shut},
    Driver{topology::UnitKind::smmuv3, units::smmuv3::look, units::smmuv3::open, units::smmuv3::shut},
    Driver{topology::UnitKind::smmuv2, units::smmuv2::look, units::smmuv2::open, units::smmuv2::shut},
    Driver{topology::UnitKind::ipmmu, units::ipmmu::look, units::ipmmu::open, units::ipmmu::shut},
    Driver{topology::UnitKind::vfio, units::vfio::look, units::vfio::open, units::vfio::shut},
};

Result<Driver> driver_of(const topology::Unit& unit) {
    const auto found = std::ranges::find(drivers, unit.kind, &Driver::kind);
    if (found != drivers.end()) return *found;
    return fail(ENOTSUP, fmt::format("{} ({}): this build does not drive units of kind {}", unit.name, unit.origin.text,
                                     topology::name(unit.kind)));
}

}  // namespace

Result<units::FirstLook> look_at_unit(const topology::Unit& unit, platform::Platform& platform) {
    SMMU_TRY(const Driver driver, driver_of(unit));
    return driver.look(platform, unit);
}

Result<std::unique_ptr<units::IommuUnit>> open_unit(const topology::Unit& unit, const UnitParts& parts) {
    SMMU_TRY(const Driver driver, driver_of(unit));
    return driver.open(parts.platform, unit, parts.arena, parts.tables, parts.clock);
}

Result<void> shut_unit(const topology::Unit& unit, platform::Platform& platform, Clock& clock) {
    SMMU_TRY(const Driver driver, driver_of(unit));
    return driver.shut(platform, unit, clock);
}

}  // namespace smmu::daemon
