// SPDX-License-Identifier: Apache-2.0
// Hardware: one remapping unit by its registers: features, the global command protocol, protected
// memory. Everything above it speaks of tables and caches.
#pragma once

#include <memory>
#include <string>

#include "base/clock.hpp"
#include "hw/wait.hpp"
#include "units/vtd/features.hpp"
#include "units/vtd/registers.hpp"

namespace smmu::units::vtd {

// A unit that has not answered by then is not going to: real ones take microseconds.
inline constexpr Nanoseconds acknowledge_limit{1'000'000'000};

enum class TableMode : std::uint8_t { legacy = 0, scalable = 1, reserved = 2, abort = 3 };

class Hardware {
public:
    Hardware(std::unique_ptr<hw::Mmio> mmio, Features features, std::string name, Clock& clock)
        : mmio_(std::move(mmio)),
          registers_(*mmio_),
          features_(features),
          name_(std::move(name)),
          clock_(clock) {}

    const hw::Registers& registers() const { return registers_; }
    const Features& features() const { return features_; }
    const std::string& name() const { return name_; }
    Clock& clock() const { return clock_; }
    std::uint64_t commands() const { return commands_; }
    void count_command() { ++commands_; }

    hw::Deadline deadline() const { return {clock_, acknowledge_limit}; }

    // Global commands: exactly one bit at a time, the others as the unit reports them, and the next
    // only after this one was acknowledged. EIO when it was not.
    Result<void> enable(Field<GlobalCommand> command, Field<GlobalStatus> status) noexcept;
    Result<void> disable(Field<GlobalCommand> command, Field<GlobalStatus> status) noexcept;

    // Latches a root table. The caller sees to invalidation and to what may change while
    // translating.
    Result<void> set_root(PhysAddr root, TableMode mode) noexcept;
    // Pushes table writes out of the unit's buffers where it has any (RWBF); otherwise nothing.
    Result<void> flush_write_buffer() noexcept;

    // Blocks all memory by the protected-memory registers, as far as this unit has them.
    Result<void> protect_all_memory() noexcept;
    Result<void> unprotect_memory() noexcept;

    // Event messages stay off: this driver polls.
    void mask_events() noexcept;

    // EIO, with what the unit reports now.
    std::unexpected<Error> not_confirmed(const char* what) const;

private:
    hw::Bits<GlobalCommand> kept() const;
    Result<void> write_command(hw::Bits<GlobalCommand> value, Field<GlobalStatus> status,
                               bool wanted);
    Result<void> set_protection(bool on) noexcept;

    std::unique_ptr<hw::Mmio> mmio_;
    hw::Registers registers_;
    Features features_;
    std::string name_;
    Clock& clock_;
    std::uint64_t commands_ = 0;
};

}  // namespace smmu::units::vtd
