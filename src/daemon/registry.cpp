// SPDX-License-Identifier: Apache-2.0
#include "daemon/registry.hpp"

#include <fmt/format.h>

#include "platform/board/board_platform.hpp"
#include "units/ipmmu/open.hpp"
#include "units/smmuv2/open.hpp"
#include "units/smmuv3/open.hpp"
#include "units/vtd/open.hpp"

namespace smmu::daemon {

Result<std::unique_ptr<platform::Platform>> open_platform(const config::PlatformChoice& choice) {
    if (choice.board) return platform::board::open(choice.name);
    return fail(ENOTSUP, "this build drives boards only, not the machine it runs on: say `platform board NAME`");
}

namespace {

std::unexpected<Error> no_driver(const topology::Unit& unit) {
    return fail(ENOTSUP, fmt::format("{} ({}): this build does not drive units of kind {}", unit.name, unit.origin.text,
                                     topology::name(unit.kind)));
}

}  // namespace

Result<UnitLook> look_at_unit(const topology::Unit& unit, platform::Platform& platform) {
    switch (unit.kind) {
        case topology::UnitKind::vtd: {
            SMMU_TRY(const units::vtd::FirstLook seen, units::vtd::look(platform, unit.registers));
            return UnitLook{seen.answers, seen.register_bytes, seen.root, {}};
        }
        case topology::UnitKind::smmuv3: {
            SMMU_TRY(const units::smmuv3::FirstLook seen, units::smmuv3::look(platform, unit.registers));
            return UnitLook{seen.answers, seen.register_bytes, seen.tables, {}};
        }
        case topology::UnitKind::smmuv2: {
            SMMU_TRY(const units::smmuv2::FirstLook seen, units::smmuv2::look(platform, unit));
            return UnitLook{seen.answers, seen.register_bytes, seen.tables, {}};
        }
        case topology::UnitKind::ipmmu: {
            SMMU_TRY(const units::ipmmu::FirstLook seen, units::ipmmu::look(platform, unit));
            return UnitLook{seen.answers, seen.register_bytes, seen.tables, seen.also_protected};
        }
        default: return no_driver(unit);
    }
}

Result<std::unique_ptr<units::IommuUnit>> open_unit(const topology::Unit& unit, const UnitParts& parts) {
    switch (unit.kind) {
        case topology::UnitKind::vtd:
            return units::vtd::open(parts.platform, unit.registers, parts.arena, parts.tables, parts.clock,
                                    unit.host_address_bits);
        case topology::UnitKind::smmuv3:
            return units::smmuv3::open(parts.platform, unit.registers, parts.arena, parts.tables, parts.clock,
                                       unit.host_address_bits);
        case topology::UnitKind::smmuv2:
            return units::smmuv2::open(parts.platform, unit, parts.arena, parts.tables, parts.clock);
        case topology::UnitKind::ipmmu:
            return units::ipmmu::open(parts.platform, unit, parts.arena, parts.tables, parts.clock);
        default: return no_driver(unit);
    }
}

}  // namespace smmu::daemon
