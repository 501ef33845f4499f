// SPDX-License-Identifier: Apache-2.0
// Rescan: notices functions that come or go after they were enumerated. It only says that something is different; who
// wants to know what, enumerates again.
#pragma once

#include <compare>
#include <cstddef>
#include <map>
#include <vector>

#include "platform/platform.hpp"
#include "topology/pci_tree.hpp"

namespace smmu::pci {

class Rescan {
public:
    // A function that does not answer may be resetting or asleep: it is gone when it is silent so often in a row.
    static constexpr unsigned silent_looks = 3;
    static constexpr std::size_t buses_per_look = 8;  // of those not in use
    static constexpr std::size_t most_used_buses = 64;

    // `windows` as for enumerate().
    Rescan(platform::PciConfig& config, std::vector<platform::EcamWindow> windows);

    // One look, of a bounded length: whether each known function still answers, whether bridges lead where they led, and
    // whether new functions answer on the buses in use and on the next few others. Reads only. True when the tree is no
    // longer what there is.
    bool look(const topology::PciTree& tree);
    // Where the last look found another function than the known one: that one is gone, and this one is new.
    const std::vector<topology::PciAddress>& replaced() const { return replaced_; }

private:
    struct Bus {
        std::uint16_t segment;
        std::uint8_t number;
        friend auto operator<=>(const Bus&, const Bus&) = default;
    };
    bool any_gone(const topology::PciTree& tree);
    bool any_renumbered(const topology::PciTree& tree);
    bool any_new(const topology::PciTree& tree);
    std::vector<Bus> buses_to_look_at(const topology::PciTree& tree);

    platform::PciConfig& config_;
    std::vector<Bus> buses_;
    std::size_t next_bus_ = 0;
    std::map<topology::PciAddress, unsigned> silent_;  // looks in a row
    std::map<topology::PciAddress, std::uint32_t> bus_numbers_;
    std::vector<topology::PciAddress> replaced_;
};

}  // namespace smmu::pci
