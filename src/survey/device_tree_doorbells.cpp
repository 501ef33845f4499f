// SPDX-License-Identifier: Apache-2.0
#include "survey/device_tree_doorbells.hpp"

#include <algorithm>
#include <string>

#include "base/interval_map.hpp"

namespace smmu::survey {

using firmware::DeviceTree;
using firmware::MsiController;
using firmware::MsiKind;
using topology::Protected;

namespace {

constexpr std::uint64_t message_frame_bytes = 0x1000;
// GITS_TRANSLATER is alone in the second frame of an ITS (GIC architecture, IHI 0069, 12.19).
constexpr std::uint64_t its_frame_bytes = 0x10000;

}  // namespace

std::optional<PhysRange> doorbell_frame(const MsiController& controller) {
    if (controller.kind == MsiKind::other || controller.registers.empty()) return std::nullopt;
    const PhysRange& registers = controller.registers.front();
    const bool is_its = controller.kind == MsiKind::its;
    const std::uint64_t offset = is_its ? its_frame_bytes : 0;
    if (registers.last - registers.first < offset) return std::nullopt;
    const auto frame = PhysRange::from_length(registers.first + offset, is_its ? its_frame_bytes : message_frame_bytes);
    return frame && is_aligned(frame->first, 12) && registers.contains(*frame) ? frame : std::nullopt;
}

std::vector<topology::Grant> doorbells_of(const DeviceTree& tree, const std::vector<std::size_t>& controllers) {
    std::vector<topology::Grant> grants;
    for (const std::size_t index : controllers) {
        const MsiController& controller = tree.msi_controllers[index];
        if (const auto frame = doorbell_frame(controller))
            grants.push_back({topology::Grant::Kind::doorbell, *frame, Access::write, true, controller.origin});
    }
    return grants;
}

std::vector<std::size_t> controllers_of(const firmware::PciHost& host, StreamId id) {
    if (host.msi_maps.empty()) return host.msi_controllers;
    const std::uint32_t input = raw(id) & host.msi_map_mask;
    const auto map = std::ranges::find_if(host.msi_maps,
                                          [&](const firmware::MsiMap& one) { return one.first <= input && input <= one.last; });
    return map != host.msi_maps.end() ? std::vector{map->controller} : std::vector<std::size_t>{};
}

std::vector<Protected> protected_by(const DeviceTree& tree) {
    IntervalMap<PhysAddr, std::string> controllers;
    const auto add = [&](const auto& controller, const std::string& what) {
        for (const PhysRange& range : controller.registers) controllers.assign(range, what + " " + controller.path);
    };
    for (const firmware::InterruptController& controller : tree.interrupt_controllers) add(controller, "interrupt controller");
    for (const MsiController& controller : tree.msi_controllers) add(controller, "controller of message interrupts");
    for (const MsiController& controller : tree.msi_controllers)
        if (const auto frame = doorbell_frame(controller)) controllers.erase(*frame);
    std::vector<Protected> found;
    for (const MsiController& controller : tree.msi_controllers)
        if (const auto frame = doorbell_frame(controller)) found.push_back({*frame, "doorbell of " + controller.path});
    for (const auto& piece : controllers) found.push_back({piece.range, piece.value});
    for (const firmware::TreeUnit& unit : tree.units)
        for (const PhysRange& range : unit.registers) found.push_back({range, "registers of " + unit.path});
    return found;
}

}  // namespace smmu::survey
