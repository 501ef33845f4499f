// SPDX-License-Identifier: Apache-2.0
// UnitCaches and ContextCaches: what the main unit and its cache units remember of tables, as a whole and of one context.
// Whatever was gathered is confirmed to be forgotten, or the unit is stopped. Nothing smaller than a context can be forgotten.
#pragma once

#include "units/ipmmu/hardware.hpp"
#include "units/paged_space.hpp"

namespace smmu::units::ipmmu {

class UnitCaches final : public memory::Invalidator {
public:
    UnitCaches(Hardware& hardware, IommuUnit& unit) : hardware_(hardware), unit_(unit) {}

    // The context is enabled: from now on what it leads to may be remembered.
    Result<void> enable(unsigned context, PhysAddr root) noexcept;
    // It is off everywhere, and nothing is remembered. No micro-TLB may be tied to it.
    Result<void> disable(unsigned context) noexcept;
    bool is_live(unsigned context) const { return (live_ >> context & 1) != 0; }
    // Nothing is live any more, whatever the registers say: the unit was turned off, or is taken over anew.
    void begin_anew() { live_ = 0; }
    // Enabled already, with the tables that it is to have.
    void adopt(unsigned context) { live_ |= 1u << context; }

    // Returns when the hardware confirmed; otherwise the unit was stopped. A context that is not live is remembered nowhere.
    Result<void> forget(unsigned context) noexcept;
    Result<void> forget_everything() noexcept;
    // EIO while the unit is stopped.
    Result<void> working() const noexcept;
    void failed() noexcept;

    std::uint64_t flushes() const { return flushes_; }

private:
    Result<void> invalidate(const memory::Gather&) override { return forget_everything(); }

    // A cache unit without power remembers nothing and must not be touched.
    template <class Act>
    void each_cache(Act act) {
        for (CacheUnit& cache : hardware_.caches)
            if (hardware_.has_power(cache)) act(cache);
    }

    Hardware& hardware_;
    IommuUnit& unit_;
    std::uint32_t live_ = 0;  // bit: context
    std::uint64_t flushes_ = 0;
};

class ContextCaches final : public SpaceCaches {
public:
    explicit ContextCaches(UnitCaches& caches) : caches_(caches) {}

    // Not there is never remembered.
    Result<void> appeared(std::span<const paging::Map>) override { return caches_.working(); }
    void failed() noexcept override { caches_.failed(); }

    // 0: none yet.
    unsigned context() const { return context_; }
    void set_context(unsigned context) { context_ = context; }

private:
    Result<void> invalidate(const memory::Gather&) override { return caches_.forget(context_); }

    UnitCaches& caches_;
    unsigned context_ = 0;
};

}  // namespace smmu::units::ipmmu
