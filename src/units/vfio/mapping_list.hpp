// SPDX-License-Identifier: Apache-2.0
// MappingList: the mappings that the kernel holds for one container, as it was told them. It gives a mapping back only whole.
#pragma once

#include <map>
#include <span>
#include <vector>

#include "units/vfio/mapping.hpp"

namespace smmu::units::vfio {

class MappingList {
public:
    std::size_t size() const { return mappings_.size(); }
    // Nothing may be mapped there.
    void add(const Mapping& mapping);
    void remove(IovaRange whole);
    void clear() { mappings_.clear(); }

    // What must be given back whole so that nothing of these ranges is mapped, and the parts of it that are to stay: they
    // must be mapped again. Both ascending.
    struct Cut {
        std::vector<IovaRange> whole;
        std::vector<Mapping> rest;
    };
    Cut cut(std::span<const IovaRange> ranges) const;  // ascending, disjoint

private:
    std::map<Iova, Mapping> mappings_;  // by their first address
};

}  // namespace smmu::units::vfio
