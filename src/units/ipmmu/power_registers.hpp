// SPDX-License-Identifier: Apache-2.0
// The registers of the system controller (SYSC) that switch power domains, as types.
#pragma once

#include "units/ipmmu/registers.hpp"

namespace smmu::units::ipmmu::power {

struct ControllerStatus : Register<std::uint32_t, 0x00> {
    static constexpr const char* name = "SYSCSR";
    static constexpr Field<ControllerStatus> ready{"PONENB", 1};
    static constexpr auto fields = hw::list(ready);
};
// One bit for each domain.
template <class Self>
struct DomainBits {
    static constexpr Field<Self> domains{"PWR", 31, 0};
    static constexpr auto fields = hw::list(domains);
};
struct Done : Register<std::uint32_t, 0x04>, DomainBits<Done> {
    static constexpr const char* name = "SYSCISR";
};
struct ClearDone : Register<std::uint32_t, 0x08>, DomainBits<ClearDone> {
    static constexpr const char* name = "SYSCISCR";
};
struct Sources : Register<std::uint32_t, 0x0c>, DomainBits<Sources> {
    static constexpr const char* name = "SYSCIER";
};
struct Masked : Register<std::uint32_t, 0x10>, DomainBits<Masked> {
    static constexpr const char* name = "SYSCIMR";
};

// Of one domain.
struct DomainStatus : Register<std::uint32_t, 0x00> {
    static constexpr const char* name = "PWRSR";
    static constexpr Field<DomainStatus> off{"OFF", 0};
    static constexpr auto fields = hw::list(off);
};
struct TurnOn : Register<std::uint32_t, 0x0c> {
    static constexpr const char* name = "PWRONCR";
    static constexpr Field<TurnOn> on{"ON", 0};
    static constexpr auto fields = hw::list(on);
};
struct Refused : Register<std::uint32_t, 0x14> {
    static constexpr const char* name = "PWRER";
    static constexpr Field<Refused> refused{"ERR", 0};
    static constexpr auto fields = hw::list(refused);
};

}  // namespace smmu::units::ipmmu::power
