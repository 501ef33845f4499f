// SPDX-License-Identifier: Apache-2.0
// Container: one IOMMU group and what is mapped for it. Each group has its own, so that taking everything from one never
// touches another, whoever holds descriptors of its devices.
#pragma once

#include <memory>

#include "units/vfio/kernel.hpp"
#include "units/vfio/mapping_list.hpp"

namespace smmu::units::vfio {

class Container {
public:
    explicit Container(std::unique_ptr<Group> group) : group_(std::move(group)) {}

    Group& group() { return *group_; }
    std::size_t mappings() const { return list_.size(); }
    std::uint64_t flushes() const { return flushes_; }

    // ERANGE: the kernel keeps some of these device addresses for itself.
    Result<void> check(IovaRange range) const;
    // ENOSPC: so many more mappings are not possible when these ranges were unmapped before.
    Result<void> check_room(std::span<const IovaRange> unmapped, std::size_t more) const;
    // What would be refused for a moment when these ranges were unmapped.
    std::vector<Mapping> disturbed_by(std::span<const IovaRange> unmapped) const { return list_.cut(unmapped).rest; }

    Result<void> map(const Mapping& mapping) noexcept;
    // Nothing of these ranges is reachable on return. What else lay in the same mappings is mapped again; what of it the kernel
    // does not take any more is in `lost`. EIO: not confirmed.
    Result<void> unmap(std::span<const IovaRange> ranges, std::vector<IovaRange>& lost) noexcept;
    // Nothing is reachable on return.
    Result<void> clear() noexcept;

private:
    std::unique_ptr<Group> group_;
    MappingList list_;
    std::uint64_t flushes_ = 0;
};

}  // namespace smmu::units::vfio
