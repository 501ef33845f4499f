// SPDX-License-Identifier: Apache-2.0
// RegistersAlone: a machine that has nothing but one unit's registers: what shutting a unit may need.
#pragma once

#include <functional>

#include "platform/platform.hpp"

namespace smmu::units {

class RegistersAlone final : public platform::Platform {
public:
    using View = std::function<std::unique_ptr<hw::Mmio>()>;
    explicit RegistersAlone(View view) : view_(std::move(view)) {}
    std::string name() const override { return "registers alone"; }
    memory::BootIdentity boot_identity() const override { return {}; }
    std::vector<PhysRange> ram() const override { return {}; }
    Result<std::vector<platform::RawTable>> firmware_tables() override { return fail(ENOTSUP, "none"); }
    Result<std::unique_ptr<hw::Mmio>> registers(PhysRange) override { return view_(); }
    Result<std::unique_ptr<platform::PciConfig>> pci_config(std::span<const platform::EcamWindow>) override { return fail(ENOTSUP, "none"); }
    Result<memory::TableMemory> table_memory(std::optional<PhysRange>, std::uint64_t) override { return fail(ENOTSUP, "none"); }
    Result<std::unique_ptr<platform::PinnedMemory>> pin(UniqueFd, std::uint64_t, std::uint64_t) override { return fail(ENOTSUP, "none"); }

private:
    View view_;
};

}  // namespace smmu::units
