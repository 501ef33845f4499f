// SPDX-License-Identifier: Apache-2.0
// DeviceTreeStreams: which streams the DMA of a master or of a function of PCI carries, as a device tree says.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "firmware/device_tree.hpp"
#include "survey/device_tree_units.hpp"
#include "topology/topology.hpp"

namespace smmu::survey {

// A mask stands for every stream that it lets through, and a map for as many as it is long. One entry lists no more than
// this; a master or function that would need more counts as one that is not contained.
inline constexpr std::size_t most_streams_of_entry = 32768;
inline constexpr std::size_t most_streams_of_device = 65536;

// Each stream once, by unit and number.
std::vector<topology::Stream> each_once(std::vector<topology::Stream> streams);

class DeviceTreeStreams {
public:
    // `places`: what each unit of the tree is in the topology. Both must outlive this.
    DeviceTreeStreams(const firmware::DeviceTree& tree, const std::vector<std::optional<DeviceTreeUnits::Place>>& places)
        : tree_(tree), places_(places) {}

    // None when some of its DMA goes around every unit.
    std::vector<topology::Stream> of_master(const firmware::TreeMaster& master) const;
    // The same for DMA of the function that carries `id`, its own or that of a bridge above. `what` says which, for a person.
    std::vector<topology::Stream> of_function(const topology::PciAddress& address, StreamId id, const std::string& what) const;
    // Every stream that anything below a host bridge may have; none when there are too many to list.
    std::vector<topology::Stream> of_all_below(const firmware::PciHost& host) const;

    // The enabled host bridge that has the bus; nullptr when none has.
    const firmware::PciHost* host_of(const topology::PciAddress& address) const;

private:
    // The streams of one device while they are collected.
    struct Collected {
        std::vector<topology::Stream> streams;
        bool contained = true;  // each of them has a unit and could be listed
    };
    void add(Collected& found, const firmware::TreeStream& stream, const topology::Origin& origin) const;
    void add_map(Collected& found, const firmware::StreamMap& map, const topology::Origin& origin) const;
    static std::vector<topology::Stream> taken(Collected found);
    const firmware::TreeMaster* own_entry(const firmware::PciHost& host, StreamId id) const;

    const firmware::DeviceTree& tree_;
    const std::vector<std::optional<DeviceTreeUnits::Place>>& places_;
};

}  // namespace smmu::survey
