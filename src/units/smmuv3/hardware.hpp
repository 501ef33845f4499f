// SPDX-License-Identifier: Apache-2.0
// Hardware: one SMMUv3 by its registers: features, control with its mirror, what becomes of DMA while the unit is off.
// Everything above it speaks of tables, commands and events.
#pragma once

#include <memory>
#include <string>

#include "base/clock.hpp"
#include "hw/wait.hpp"
#include "units/smmuv3/features.hpp"

namespace smmu::units::smmuv3 {

// A unit that has not answered by then is not going to: real ones take microseconds.
inline constexpr Nanoseconds acknowledge_limit{1'000'000'000};

class Hardware {
public:
    Hardware(std::unique_ptr<hw::Mmio> mmio, Features features, std::string name, Clock& clock)
        : mmio_(std::move(mmio)), registers_(*mmio_), features_(features), name_(std::move(name)), clock_(clock) {}

    const hw::Registers& registers() const { return registers_; }
    const Features& features() const { return features_; }
    const std::string& name() const { return name_; }
    Clock& clock() const { return clock_; }
    hw::Deadline deadline() const { return {clock_, acknowledge_limit}; }

    bool answers() const { return registers_.read<Control>().raw() != ~std::uint32_t{0}; }
    bool is_enabled() const;  // translates, or may be about to
    bool aborts_when_off() const { return registers_.read<Bypass>().has(Bypass::abort); }

    // One field of CR0, confirmed by its mirror. EIO when it was not.
    Result<void> enable(Field<Control> field, Field<ControlDone> done) noexcept;
    Result<void> disable(Field<Control> field, Field<ControlDone> done) noexcept;
    // What becomes of DMA while the unit is off: GBPA, by its handshake.
    Result<void> set_bypass(hw::Bits<Bypass> wanted) noexcept;
    // Interrupts stay off: this driver polls.
    Result<void> mask_interrupts() noexcept;

    // EIO, with what the unit reports now.
    std::unexpected<Error> not_confirmed(const char* what) const;

private:
    Result<void> write_control(hw::Bits<Control> value, Field<ControlDone> done, bool wanted);
    Result<hw::Bits<Control>> control() const;

    std::unique_ptr<hw::Mmio> mmio_;
    hw::Registers registers_;
    Features features_;
    std::string name_;
    Clock& clock_;
};

}  // namespace smmu::units::smmuv3
