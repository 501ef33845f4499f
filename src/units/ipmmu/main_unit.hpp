// SPDX-License-Identifier: Apache-2.0
// MainUnit: IPMMU-MM by its registers: contexts, each the root of page tables, and the faults that were met under them.
// Context 0 is never used: drivers of all makers keep away from it.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/address.hpp"
#include "base/clock.hpp"
#include "base/result.hpp"
#include "hw/wait.hpp"
#include "units/ipmmu/places.hpp"
#include "units/ipmmu/registers.hpp"

namespace smmu::units::ipmmu {

// A unit that has not answered by then is not going to: real ones take microseconds.
inline constexpr Nanoseconds acknowledge_limit{1'000'000'000};

// Stage 1 with 32 bits of address, which all products walk, or stage 2 with 40. The whole unit walks one of them.
enum class TableFormat : std::uint8_t { stage1 = 1, stage2 = 2 };

struct Fault {
    hw::Bits<FaultStatus> status;
    std::uint64_t address = 0;
};

class MainUnit {
public:
    MainUnit(std::unique_ptr<hw::Mmio> mmio, Places places, std::string where, Clock& clock)
        : mmio_(std::move(mmio)), registers_(*mmio_), places_(places), where_(std::move(where)), clock_(&clock) {}

    const Places& places() const { return places_; }
    const std::string& where() const { return where_; }
    Clock& clock() const { return *clock_; }
    TableFormat format() const { return format_; }
    void set_format(TableFormat format) { format_ = format; }

    bool answers() const { return control(0).raw() != ~std::uint32_t{0}; }
    hw::Bits<ContextControl> control(unsigned context) const {
        return registers_.read<ContextControl>(places_.context(context));
    }
    bool is_enabled(unsigned context) const { return control(context).has(ContextControl::enabled); }
    // Context 0 counts too.
    bool is_any_enabled() const;
    PhysAddr root(unsigned context) const;
    // The context is enabled, and each of its registers is as enable() writes it.
    bool is_as_written(unsigned context, PhysAddr root) const { return difference(context, root).empty(); }
    // What is not as enable() writes it, for a person; empty: nothing.
    std::string difference(unsigned context, PhysAddr root) const;

    // Which format the whole unit walks. Only while no context is enabled: otherwise tables change their meaning.
    bool walks_stage2() const { return auxiliary().has(UnitAuxiliary::stage2); }
    // False when the unit does not take it: the register may belong to secure firmware.
    bool choose_format(TableFormat format) noexcept;
    // Whether it would take stage 2: tried, and put back. Only while no context is enabled.
    bool can_walk_stage2() noexcept;

    // From disabled to walking the tables at `root`, with nothing remembered of earlier ones. EIO as in flush().
    Result<void> enable(unsigned context, PhysAddr root) noexcept;
    // The same without waiting for the flush, and whatever the context's state: for a unit that does not answer any more.
    void enable_unconfirmed(unsigned context, PhysAddr root) noexcept;
    // To off. No micro-TLB may be tied to the context: it would pass everything. EIO as in flush().
    Result<void> disable(unsigned context) noexcept;
    // What is remembered under the context is forgotten, in the cache units that were asked before, too. EIO when the unit
    // does not say so in time.
    Result<void> flush(unsigned context) noexcept;
    // The same, whatever else its control says.
    Result<void> flush_as_found(unsigned context) noexcept;

    // What was refused first since the last call; nothing when nothing was. Later refusals are lost.
    std::optional<Fault> take_fault(unsigned context) noexcept;

    const hw::Registers& registers() const { return registers_; }

private:
    hw::Bits<UnitAuxiliary> auxiliary() const { return registers_.read<UnitAuxiliary>(places_.unit()); }
    hw::Bits<TableControl> table_control() const;
    hw::Bits<ContextControl> control_when_on() const;
    Result<void> wait_for_flush(unsigned context) noexcept;
    void write(unsigned context, hw::Bits<ContextControl> value) noexcept {
        registers_.write(value, places_.context(context));
    }

    std::unique_ptr<hw::Mmio> mmio_;
    hw::Registers registers_;
    Places places_;
    std::string where_;
    Clock* clock_;
    TableFormat format_ = TableFormat::stage1;
};

}  // namespace smmu::units::ipmmu
