// SPDX-License-Identifier: Apache-2.0
// Hardware: the IPMMUs of one chip: the main unit, every cache unit that the product has, and the power they need.
#pragma once

#include "base/ids.hpp"
#include "platform/platform.hpp"
#include "units/ipmmu/cache_unit.hpp"
#include "units/ipmmu/main_unit.hpp"
#include "units/ipmmu/power.hpp"

namespace smmu::units::ipmmu {

struct Hardware {
    topology::Chip chip;
    const Product* product;
    MainUnit main;
    std::vector<CacheUnit> caches;  // those of the description, in its order; behind them those that it does not name
    Power power;

    bool has_power(const CacheUnit& cache) const { return power.is_on(cache.known().domain); }
};

// Registers that no device may reach, besides those of the main unit: every cache unit's and the power controller's.
std::vector<PhysRange> other_registers(const Product& product);

// Which chip this is. ENXIO when no product register answers.
Result<topology::Chip> read_chip(platform::Platform& platform, const std::string& where);
// The product, when the description suits it. ENOTSUP: this driver does not know the chip. EINVAL: the description is for
// another one; the sentence says which it is.
Result<const Product*> check_description(topology::Chip chip, const topology::Unit& unit);
// Ports to all registers; none is touched.
Result<Hardware> open_hardware(platform::Platform& platform, const topology::Unit& unit, topology::Chip chip,
                               const Product& product, Clock& clock);

}  // namespace smmu::units::ipmmu
