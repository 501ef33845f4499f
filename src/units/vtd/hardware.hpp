// SPDX-License-Identifier: Apache-2.0
// Hardware: one remapping unit by its registers: features, the global command protocol, protected
// memory. Everything above it speaks of tables and caches.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/clock.hpp"
#include "hw/wait.hpp"
#include "units/vtd/features.hpp"
#include "units/vtd/registers.hpp"

namespace smmu::units::vtd {

// A unit that has not answered by then is not going to: real ones take microseconds.
inline constexpr Nanoseconds acknowledge_limit{1'000'000'000};

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
    // The mode the unit looks tables up in: what this instance latched. Before that, what the
    // register says, which anybody may have written without having it latched.
    TableMode mode() const {
        return latched_.value_or(TableMode(registers_.read<RootTable>()[RootTable::mode]));
    }
    // Pushes table writes out of the unit's buffers where it has any (RWBF); otherwise nothing.
    Result<void> flush_write_buffer() noexcept;

    // Blocks memory by the protected-memory registers, as far as this unit has them. True when all
    // memory below 2^host_bits is blocked by what reads back, for every request: units before
    // version 2 block only requests that are not translated.
    bool protect_all_memory(unsigned host_bits) noexcept;
    Result<void> unprotect_memory() noexcept;

    // Event messages stay off: this driver polls.
    void mask_events() noexcept;

    // EIO, with what the unit reports now.
    std::unexpected<Error> not_confirmed(const char* what) const;

private:
    Result<hw::Bits<GlobalCommand>> kept() const;
    Result<void> write_command(hw::Bits<GlobalCommand> value, Field<GlobalStatus> status,
                               bool wanted);
    Result<void> set_protection(bool on) noexcept;
    template <class Base, class Limit>
    bool covers(std::uint64_t first, std::uint64_t last, std::uint64_t granule) const;
    template <class Base, class Limit>
    bool cover(std::uint64_t first, std::uint64_t last) const;

    std::unique_ptr<hw::Mmio> mmio_;
    hw::Registers registers_;
    Features features_;
    std::string name_;
    Clock& clock_;
    std::uint64_t commands_ = 0;
    std::optional<TableMode> latched_;
};

}  // namespace smmu::units::vtd
