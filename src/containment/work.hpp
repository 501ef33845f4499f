// SPDX-License-Identifier: Apache-2.0
// Work: a prepared change that is being carried out. What it takes away is gone at once; tables are
// filled in steps; groups are attached only when every table is complete and their devices have been
// reset. It belongs to its object and ends with it.
#pragma once

#include <memory>
#include <vector>

#include "containment/preparation.hpp"

namespace smmu::containment {

class Work final : public Operation {
public:
    // Carries out all removals on all spaces and flushes them: nobody else's request is looked at
    // before. `memory`: client memory to let go with them; kept when a unit did not confirm.
    Work(State& state, ObjectId object, std::vector<SpaceChange> changes,
         std::vector<std::shared_ptr<HeldMemory>> memory = {});
    Work(const Work&) = delete;
    Work& operator=(const Work&) = delete;
    ~Work() override { cancel(); }

    // Groups to attach at the end, and the devices that were claimed for it.
    void then_open(std::vector<GroupId> groups, std::vector<DeviceIndex> claimed);

    units::Progress step(units::Budget& budget) noexcept override;
    // Gives back what was prepared: its object is being destroyed, which blocks and flushes
    // everything of it.
    void cancel() noexcept;
    bool over() const { return state_ == nullptr; }
    // Groups are closed, and devices of them are being reset: steps do nothing until that is over.
    bool waits_for_reset() const noexcept;
    const Result<void>& result() const noexcept override { return result_; }

private:
    void remove(std::vector<std::shared_ptr<HeldMemory>> memory) noexcept;
    static void carried_out(const SpaceChange& change, GranuleSet& starved);
    void close_groups() noexcept;
    void open_groups() noexcept;
    void give_up_groups() noexcept;
    void conclude() noexcept;

    State* state_;  // nullptr: over
    ObjectId object_;
    std::vector<SpaceChange> changes_;
    std::size_t next_ = 0;
    std::vector<GroupId> opening_;
    std::vector<DeviceIndex> claimed_;
    bool closed_ = false;
    Result<void> result_;
};

// Carries out what an object still has to do, all of it. EBUSY: it waits for the reset of a device.
Result<void> finish(Object& object) noexcept;

}  // namespace smmu::containment
