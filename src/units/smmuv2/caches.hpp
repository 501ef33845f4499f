// SPDX-License-Identifier: Apache-2.0
// UnitCaches and TagCaches: what the unit remembers of its tables, as a whole and of one address
// space. Whatever was gathered is confirmed to be forgotten, or the unit is stopped.
#pragma once

#include "units/paged_space.hpp"
#include "units/smmuv2/bank.hpp"

namespace smmu::units::smmuv2 {

// More pages than this are slower one by one than to refill what a whole space loses.
inline constexpr std::uint64_t single_page_limit = 64;

class UnitCaches final : public memory::Invalidator {
public:
    UnitCaches(Hardware& hardware, IommuUnit& unit) : hardware_(hardware), unit_(unit) {}

    // From now on the unit looks at tables. `by_page`: it forgets single pages reliably.
    void attach(bool by_page) {
        attached_ = true;
        by_page_ = by_page;
    }
    // The unit looks at no table any more and remembers nothing that counts.
    void detach() { attached_ = false; }

    // Each returns when the hardware confirmed; otherwise the unit was stopped. Nothing to do for a
    // unit that was not taken over: it has not seen any table of ours.
    Result<void> forget(std::uint16_t tag) noexcept;
    Result<void> forget(std::uint16_t tag, std::span<const IovaRange> ranges) noexcept;
    Result<void> forget_everything() noexcept;
    Result<void> check_running() const;
    void failed() noexcept;

    bool by_page() const { return by_page_; }
    std::uint64_t flushes() const { return flushes_; }
    std::uint64_t commands() const { return commands_; }

private:
    Result<void> invalidate(const memory::Gather&) override { return forget_everything(); }
    void forget_page(unsigned bank, std::uint16_t tag, std::uint64_t page) noexcept;
    Result<void> confirmed(Result<void> synced) noexcept;

    Hardware& hardware_;
    IommuUnit& unit_;
    bool attached_ = false, by_page_ = false;
    std::uint64_t flushes_ = 0, commands_ = 0;
};

class TagCaches final : public SpaceCaches {
public:
    TagCaches(UnitCaches& caches, std::uint16_t tag) : caches_(caches), tag_(tag) {}

    // What is not there is never cached.
    Result<void> appeared(std::span<const paging::Map>) override { return caches_.check_running(); }
    void failed() noexcept override { caches_.failed(); }

private:
    Result<void> invalidate(const memory::Gather& gathered) override;

    UnitCaches& caches_;
    std::uint16_t tag_;
};

}  // namespace smmu::units::smmuv2
