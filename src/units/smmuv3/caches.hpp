// SPDX-License-Identifier: Apache-2.0
// UnitCaches and TagCaches: what the unit remembers of its tables, as a whole and of one address space. Whatever was
// gathered is confirmed to be forgotten, or the unit is stopped.
#pragma once

#include "units/paged_space.hpp"
#include "units/smmuv3/command_queue.hpp"

namespace smmu::units::smmuv3 {

class UnitCaches final : public memory::Invalidator {
public:
    UnitCaches(Hardware& hardware, IommuUnit& unit) : hardware_(hardware), unit_(unit) {}

    // From now on the unit looks at tables, and this is the way to make it forget them.
    void attach_to(CommandQueue& queue) { queue_ = &queue; }
    // The unit looks at no table any more and remembers nothing that counts.
    void detach() { queue_ = nullptr; }

    // Returns when the hardware confirmed; otherwise the unit was stopped. Nothing to do for a unit that was not taken
    // over: it has not seen any table of ours.
    Result<void> forget(std::span<const Command> commands) noexcept;
    Result<void> forget_everything() noexcept;
    void failed() noexcept;

    const Features& features() const { return hardware_.features(); }
    std::uint64_t flushes() const { return flushes_; }

private:
    Result<void> invalidate(const memory::Gather&) override { return forget_everything(); }

    Hardware& hardware_;
    IommuUnit& unit_;
    CommandQueue* queue_ = nullptr;
    std::uint64_t flushes_ = 0;
};

class TagCaches final : public SpaceCaches {
public:
    TagCaches(UnitCaches& caches, std::uint16_t tag) : caches_(caches), tag_(tag) {}

    // What is not there is never cached.
    Result<void> appeared(std::span<const paging::Map>) override;
    void failed() noexcept override { caches_.failed(); }

    std::uint16_t tag() const { return tag_; }
    // From now on the space is known by another tag. Nothing is cached under the old one.
    void rename(std::uint16_t tag) { tag_ = tag; }

private:
    Result<void> invalidate(const memory::Gather& gathered) override;

    UnitCaches& caches_;
    std::uint16_t tag_;
};

}  // namespace smmu::units::smmuv3
