// SPDX-License-Identifier: Apache-2.0
// Space: what the groups of one object reach, and the containers in which the kernel holds it for them. Without a group it is
// only remembered.
#pragma once

#include <functional>
#include <vector>

#include "units/unit.hpp"
#include "units/vfio/container.hpp"

namespace smmu::units::vfio {

class Space final : public AddressSpace {
public:
    // `failed`: the kernel did not confirm an unmapping.
    explicit Space(std::function<void()> failed) : failed_(std::move(failed)) {}

    // The kernel refuses a mapping only when it is told: whoever can be told it can not be done must be told before.
    Result<bool> map_in_place(const paging::Map&) noexcept override { return false; }
    Result<bool> unmap_in_place(IovaRange) noexcept override { return false; }
    // ENOTSUP: memory by physical address. ERANGE, ENOSPC: see Container. Where nothing goes, what comes is mapped already: the
    // kernel says only then whether it can, and it is taken back with the plan. What comes in the place of something is mapped
    // after that; what the kernel then refuses is among the plan's starved ranges.
    Result<Plan> prepare(std::span<const Change> changes) override;
    Result<Progress> commit(Plan& plan, Budget& budget) noexcept override;
    void abandon(Plan&& plan) noexcept override;
    paging::Target translate(Iova address) const noexcept override;
    std::uint64_t table_frames() const noexcept override { return 0; }  // the kernel's own

    // All of it or nothing is mapped for the container, which is empty before. On EIO nobody knows.
    Result<void> enter(Container& container) noexcept;
    // Forgets the container, which is empty by now.
    void leave(Container& container) noexcept { std::erase(containers_, &container); }
    std::size_t pieces() const { return contents_.size(); }

private:
    Result<void> check(const Plan::Parts& parts) const;
    Result<void> map_everywhere(const Mapping& mapping) noexcept;
    Result<void> unmap_everywhere(std::span<const IovaRange> ranges, std::vector<IovaRange>& lost) noexcept;
    Result<void> remove(Plan& plan) noexcept;
    void add(Plan& plan) noexcept;

    std::function<void()> failed_;
    Contents contents_;
    std::vector<Container*> containers_;
};

}  // namespace smmu::units::vfio
