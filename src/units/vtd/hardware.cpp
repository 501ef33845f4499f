// SPDX-License-Identifier: Apache-2.0
#include "units/vtd/hardware.hpp"

#include <fmt/format.h>

#include <bit>

namespace smmu::units::vtd {
namespace {

// The manual's mask: status bits that a command write must repeat. The one-shot commands are not
// among them.
constexpr std::uint32_t kept_by_commands = 0x96ff'ffff;
constexpr std::uint64_t first_high_address = 0x1'0000'0000;
constexpr unsigned first_version_that_always_protects = 2;

}  // namespace

// All ones are no status: repeated, they would be every command at once.
Result<hw::Bits<GlobalCommand>> Hardware::kept() const {
    const std::uint32_t status = registers_.read<GlobalStatus>().raw();
    if (status == ~std::uint32_t{0})
        return fail(EIO, fmt::format("{}: {} reads all ones, nothing answers there any more; no "
                                     "command was written, reset the machine before its devices "
                                     "are used again",
                                     name_, GlobalStatus::name));
    return hw::Bits<GlobalCommand>(status & kept_by_commands);
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
    SMMU_TRY(const hw::Bits<GlobalCommand> others, kept());
    return write_command(others | command.of(1), status, true);
}

Result<void> Hardware::disable(Field<GlobalCommand> command, Field<GlobalStatus> status) noexcept {
    SMMU_TRY(const hw::Bits<GlobalCommand> others, kept());
    return write_command(others.without(command), status, false);
}

Result<void> Hardware::set_root(PhysAddr root, TableMode mode) noexcept {
    SMMU_TRY(const hw::Bits<GlobalCommand> others, kept());
    registers_.write(RootTable::address.of_address(root.value) |
                     RootTable::mode.of(std::uint64_t(mode)));
    SMMU_CHECK(
        write_command(others | GlobalCommand::set_root(1), GlobalStatus::root_set, true));
    latched_ = mode;
    return {};
}

Result<void> Hardware::flush_write_buffer() noexcept {
    if (!features_.buffers_writes) return {};
    SMMU_TRY(const hw::Bits<GlobalCommand> others, kept());
    return write_command(others | GlobalCommand::flush_write_buffer(1),
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

// Hardware takes the bits of a limit below the granule for ones, whatever they read as.
template <class Base, class Limit>
bool Hardware::covers(std::uint64_t first, std::uint64_t last, std::uint64_t granule) const {
    return registers_.read<Base>().raw() <= first &&
           (registers_.read<Limit>().raw() | (granule - 1)) >= last;
}

// The highest bit of a base that cannot be set tells the granule.
template <class Base, class Limit>
bool Hardware::cover(std::uint64_t first, std::uint64_t last) const {
    registers_.write(Base::address.of(Base::address.largest()));
    const std::uint64_t fixed = ~std::uint64_t{registers_.read<Base>().raw()} & last;
    registers_.write(Base::address.of(first));
    registers_.write(Limit::address.of(last));
    return covers<Base, Limit>(first, last, std::uint64_t{1} << std::bit_width(fixed));
}

bool Hardware::protect_all_memory(unsigned host_bits) noexcept {
    if (!features_.has_protected_memory()) return false;
    const std::uint64_t last = (std::uint64_t{1} << host_bits) - 1;
    const auto all = [&](bool low, bool high) {
        return low && high && features_.major >= first_version_that_always_protects;
    };
    // Bases and limits may not be touched while protection is on: what firmware chose goes first,
    // unless it is what is wanted.
    if (registers_.read<ProtectedEnable>().has(ProtectedEnable::status)) {
        if (all(features_.protected_low && covers<ProtectedLowBase, ProtectedLowLimit>(
                                               0, first_high_address - 1, 1),
                features_.protected_high && covers<ProtectedHighBase, ProtectedHighLimit>(
                                                first_high_address, last, 1)))
            return true;
        if (!set_protection(false)) return false;
    }
    const bool low = features_.protected_low &&
                     cover<ProtectedLowBase, ProtectedLowLimit>(0, first_high_address - 1);
    const bool high = features_.protected_high &&
                      cover<ProtectedHighBase, ProtectedHighLimit>(first_high_address, last);
    return set_protection(true).has_value() && all(low, high);
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
