// SPDX-License-Identifier: Apache-2.0
#include "units/vtd/hardware.hpp"

#include <fmt/format.h>

namespace smmu::units::vtd {
namespace {

// The manual's mask: status bits that a command write must repeat. The one-shot commands are not
// among them.
constexpr std::uint32_t kept_by_commands = 0x96ff'ffff;
constexpr std::uint64_t first_high_address = 0x1'0000'0000;

}  // namespace

hw::Bits<GlobalCommand> Hardware::kept() const {
    return hw::Bits<GlobalCommand>(registers_.read<GlobalStatus>().raw() & kept_by_commands);
}

Result<void> Hardware::write_command(hw::Bits<GlobalCommand> value, Field<GlobalStatus> status,
                                     bool wanted) {
    ++commands_;
    registers_.write(value);
    const bool acknowledged = hw::wait_until(deadline(), [&] {
        const auto now = registers_.read<GlobalStatus>();
        return now.raw() != ~std::uint32_t{0} && now.has(status) == wanted;
    });
    if (acknowledged) return {};
    return not_confirmed(status.name);
}

Result<void> Hardware::enable(Field<GlobalCommand> command, Field<GlobalStatus> status) noexcept {
    return write_command(kept() | command.of(1), status, true);
}

Result<void> Hardware::disable(Field<GlobalCommand> command, Field<GlobalStatus> status) noexcept {
    return write_command(kept().without(command), status, false);
}

Result<void> Hardware::set_root(PhysAddr root, TableMode mode) noexcept {
    registers_.write(RootTable::address.of_address(root.value) |
                     RootTable::mode.of(std::uint64_t(mode)));
    return enable(GlobalCommand::set_root, GlobalStatus::root_set);
}

Result<void> Hardware::flush_write_buffer() noexcept {
    if (!features_.buffers_writes) return {};
    return write_command(kept() | GlobalCommand::flush_write_buffer(1),
                         GlobalStatus::write_buffer_flushing, false);
}

Result<void> Hardware::set_protection(bool on) noexcept {
    ++commands_;
    registers_.write(ProtectedEnable::enable.of(on ? 1 : 0));
    const bool acknowledged = hw::wait_until(deadline(), [&] {
        return registers_.read<ProtectedEnable>().has(ProtectedEnable::status) == on;
    });
    if (acknowledged) return {};
    return not_confirmed("PMEN.PRS");
}

Result<void> Hardware::protect_all_memory() noexcept {
    if (!features_.has_protected_memory()) return {};
    // Bases and limits may not be touched while protection is on; what they say then must do.
    if (!registers_.read<ProtectedEnable>().has(ProtectedEnable::status)) {
        if (features_.protected_low) {
            registers_.write(ProtectedLowBase::address(0));
            registers_.write(ProtectedLowLimit::address(0xffff'ffff));
        }
        if (features_.protected_high) {
            registers_.write(ProtectedHighBase::address(first_high_address));
            registers_.write(ProtectedHighLimit::address(~std::uint64_t{0}));
        }
    }
    return set_protection(true);
}

Result<void> Hardware::unprotect_memory() noexcept {
    if (!features_.has_protected_memory()) return {};
    const auto protection = registers_.read<ProtectedEnable>();
    if (!protection.has(ProtectedEnable::enable) && !protection.has(ProtectedEnable::status))
        return {};
    return set_protection(false);
}

void Hardware::mask_events() noexcept {
    registers_.write(FaultEventControl::masked(1));
    if (features_.queued) registers_.write(QueueEventControl::masked(1));
}

std::unexpected<Error> Hardware::not_confirmed(const char* what) const {
    return fail(
        EIO,
        fmt::format(
            "{}: {} was not confirmed within {} ms (GSTS {:#010x}, FSTS {:#010x}); the unit is "
            "stopped, reset the machine before its devices are used again",
            name_, what, acknowledge_limit.count() / 1'000'000,
            registers_.read<GlobalStatus>().raw(), registers_.read<FaultStatus>().raw()));
}

}  // namespace smmu::units::vtd
