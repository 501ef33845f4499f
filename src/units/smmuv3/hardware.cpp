// SPDX-License-Identifier: Apache-2.0
#include "units/smmuv3/hardware.hpp"

#include <fmt/format.h>

namespace smmu::units::smmuv3 {

// While a field is on its way neither its old nor its new value may be relied on (IHI 0070, 6.3.9).
bool Hardware::is_enabled() const {
    return registers_.read<Control>().has(Control::enabled) || registers_.read<ControlDone>().has(ControlDone::enabled);
}

// All ones are no register: repeated, they would turn everything on.
Result<hw::Bits<Control>> Hardware::control() const {
    const auto now = registers_.read<Control>();
    if (now.raw() == ~std::uint32_t{0})
        return fail(EIO, fmt::format("{}: {} reads all ones, nothing answers there any more; nothing was written, reset the "
                                     "machine before its devices are used again", name_, Control::name));
    return now;
}

Result<void> Hardware::write_control(hw::Bits<Control> value, Field<ControlDone> done, bool wanted) {
    registers_.write(value);
    const bool acknowledged = hw::wait_until(deadline(), [&] {
        const auto now = registers_.read<ControlDone>();
        return now.raw() != ~std::uint32_t{0} && now.has(done) == wanted;
    });
    if (acknowledged) return {};
    return not_confirmed(done.name);
}

Result<void> Hardware::enable(Field<Control> field, Field<ControlDone> done) noexcept {
    SMMU_TRY(const hw::Bits<Control> others, control());
    return write_control(others | field.of(1), done, true);
}

Result<void> Hardware::disable(Field<Control> field, Field<ControlDone> done) noexcept {
    SMMU_TRY(const hw::Bits<Control> others, control());
    return write_control(others.without(field), done, false);
}

Result<void> Hardware::set_bypass(hw::Bits<Bypass> wanted) noexcept {
    const auto settled = [&] {
        const auto now = registers_.read<Bypass>();
        return now.raw() != ~std::uint32_t{0} && !now.has(Bypass::update);
    };
    if (!hw::wait_until(deadline(), settled)) return not_confirmed("GBPA.Update");
    registers_.write(wanted | Bypass::update(1));
    if (!hw::wait_until(deadline(), settled)) return not_confirmed("GBPA.Update");
    if (registers_.read<Bypass>().has(Bypass::abort) == wanted.has(Bypass::abort)) return {};
    return not_confirmed("GBPA.ABORT");
}

Result<void> Hardware::mask_interrupts() noexcept {
    registers_.write(hw::Bits<Interrupts>(0));
    const bool masked = hw::wait_until(deadline(), [&] { return registers_.read<InterruptsDone>().raw() == 0; });
    if (masked) return {};
    return not_confirmed(InterruptsDone::name);
}

std::unexpected<Error> Hardware::not_confirmed(const char* what) const {
    return fail(EIO, fmt::format("{}: {} was not confirmed within {} ms (CR0 {:#x}, CR0ACK {:#x}, GBPA {:#x}, GERROR {:#x}); the "
                                 "unit is stopped, reset the machine before its devices are used again",
                                 name_, what, acknowledge_limit.count() / 1'000'000, registers_.read<Control>().raw(),
                                 registers_.read<ControlDone>().raw(), registers_.read<Bypass>().raw(),
                                 registers_.read<Errors>().raw()));
}

}  // namespace smmu::units::smmuv3
