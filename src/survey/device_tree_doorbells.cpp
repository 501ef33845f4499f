// SPDX-License-Identifier: Apache-2.0
#include "survey/device_tree_doorbells.hpp"

#include <algorithm>

namespace smmu::survey {

using firmware::DeviceTree;
using firmware::InterruptController;
using firmware::MsiController;
using firmware::MsiKind;
using topology::Grant;
using topology::Protected;

namespace {

constexpr std::uint64_t message_frame_bytes = 4096;
// GITS_TRANSLATER begins the second frame of an ITS and is alone in it (GIC architecture, IHI 0069, 12.19).
constexpr std::uint64_t its_frame_bytes = 0x10000;

// The frame that begins with the doorbell, or holds nothing else that matters.
std::optional<PhysRange> frame_of(const MsiController& controller) {
    if (controller.kind == MsiKind::other || controller.registers.empty()) return std::nullopt;
    const bool is_its = controller.kind == MsiKind::its;
    const PhysRange& registers = controller.registers.front();
    const std::uint64_t offset = is_its ? its_frame_bytes : 0;
    if (registers.last - registers.first < offset) return std::nullopt;
    const auto frame = PhysRange::from_length(registers.first + offset, is_its ? its_frame_bytes : message_frame_bytes);
    return frame && registers.contains(*frame) && is_aligned(frame->first, 12) ? frame : std::nullopt;
}

bool overlaps(const std::vector<PhysRange>& ranges, const PhysRange& frame) {
    return std::ranges::any_of(ranges, [&](const PhysRange& range) { return range.overlaps(frame); });
}

// Nothing but its own controller is there.
bool is_alone(const DeviceTree& tree, const MsiController& own, const PhysRange& frame) {
    const auto elsewhere = [&](const auto& controller) { return controller.path == own.path || !overlaps(controller.registers, frame); };
    const auto beside = [&](const auto& part) { return !overlaps(part.registers, frame); };
    return std::ranges::all_of(tree.interrupt_controllers, elsewhere) && std::ranges::all_of(tree.msi_controllers, elsewhere) &&
           std::ranges::all_of(tree.units, beside);
}

}  // namespace

std::vector<std::optional<Grant>> doorbells_of_controllers(const DeviceTree& tree, const std::vector<PhysRange>& memory,
                                                           const std::vector<Protected>& protected_memory) {
    std::vector<std::optional<Grant>> bells(tree.msi_controllers.size());
    for (std::size_t i = 0; i < std::min(bells.size(), most_tree_doorbells); ++i) {
        const MsiController& controller = tree.msi_controllers[i];
        const auto frame = frame_of(controller);
        if (!frame || overlaps(memory, *frame) || !is_alone(tree, controller, *frame) ||
            std::ranges::any_of(protected_memory, [&](const Protected& part) { return part.range.overlaps(*frame); }))
            continue;
        bells[i] = Grant{Grant::Kind::doorbell, *frame, Access::write, true, controller.origin};
    }
    return bells;
}

std::vector<std::size_t> controllers_of(const firmware::PciHost& host, StreamId id) {
    if (host.msi_maps.empty()) return host.msi_controllers;
    const std::uint32_t input = raw(id) & host.msi_map_mask;
    const auto map = std::ranges::find_if(host.msi_maps,
                                          [&](const firmware::MsiMap& one) { return one.first <= input && input <= one.last; });
    return map != host.msi_maps.end() ? std::vector{map->controller} : std::vector<std::size_t>{};
}

std::vector<Protected> protected_by(const DeviceTree& tree) {
    std::vector<Protected> found;
    const auto add = [&](const auto& part, const char* what) {
        for (const PhysRange& range : part.registers) found.push_back({range, what + part.path});
    };
    for (const InterruptController& controller : tree.interrupt_controllers) add(controller, "interrupt controller ");
    for (const MsiController& controller : tree.msi_controllers) add(controller, "controller of message interrupts ");
    for (const firmware::TreeUnit& unit : tree.units)
        if (!unit.enabled || unit.registers.size() > 1) add(unit, "registers of ");
    return found;
}

}  // namespace smmu::survey
