// SPDX-License-Identifier: Apache-2.0
#include "units/ipmmu/power.hpp"

#include <fmt/format.h>

#include "units/ipmmu/power_registers.hpp"

namespace smmu::units::ipmmu {
namespace {

using namespace power;

struct DomainPlace {
    std::uint64_t base;
    unsigned bit;
};

DomainPlace place_of(Domain domain) {
    switch (domain) {
        case Domain::a3vp: return {0x340, 9};
        case Domain::a3vc: return {0x380, 14};
        case Domain::a3ir: return {0x180, 24};
        case Domain::always_on: break;
    }
    return {};  // nobody switches it: is_on() says so first
}

// A domain that has not come on by then is not going to: real ones take microseconds.
constexpr Nanoseconds power_limit{1'000'000'000};

}  // namespace

bool Power::is_on(Domain domain) const noexcept {
    if (mmio_ == nullptr || domain == Domain::always_on) return true;
    const auto status = hw::Registers(*mmio_).read<DomainStatus>(place_of(domain).base);
    return status.raw() != ~std::uint32_t{0} && !status.has(DomainStatus::off);
}

// The request can be refused while the controller is busy; then it is made again. The controller switches only domains whose
// interrupt source is enabled, which is masked so that no processor sees it.
Result<void> Power::turn_on(Domain domain) noexcept {
    if (is_on(domain)) return {};
    const hw::Registers controller(*mmio_);
    const DomainPlace place = place_of(domain);
    const std::uint32_t bit = 1u << place.bit;
    const hw::Deadline deadline(*clock_, power_limit);
    controller.write(hw::Bits<Masked>(controller.read<Masked>().raw() | bit));
    controller.write(hw::Bits<Sources>(controller.read<Sources>().raw() | bit));
    controller.write(hw::Bits<ClearDone>(bit));
    const bool taken = hw::wait_until(deadline, [&] {
        if (!controller.read<ControllerStatus>().has(ControllerStatus::ready)) return false;
        controller.write(TurnOn::on(1), place.base);
        return !controller.read<Refused>(place.base).has(Refused::refused);
    });
    const bool on = taken && hw::wait_until(deadline, [&] {
        return (controller.read<Done>().raw() & bit) != 0 && is_on(domain);
    });
    controller.write(hw::Bits<ClearDone>(bit));
    if (on) return {};
    return fail(EIO, fmt::format("{}: power domain {} did not come on within {} ms (PWRSR {:#x}, PWRER {:#x}); its cache units "
                                 "cannot be programmed, so the unit is not used",
                                 where_, name(domain), power_limit.count() / 1'000'000,
                                 controller.read<DomainStatus>(place.base).raw(), controller.read<Refused>(place.base).raw()));
}

}  // namespace smmu::units::ipmmu
