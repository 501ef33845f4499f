// SPDX-License-Identifier: Apache-2.0
// Components: devices that only the ACPI name space knows, of which an IORT says the streams but not where their registers
// are. They are devices that no driver can claim, so that what they send is refused in their name, until a line of the user
// says that their streams are those of a device with registers.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <span>
#include <utility>

#include "survey/draft.hpp"
#include "survey/smmu_nodes.hpp"

namespace smmu::survey {

using topology::AcpiName;
using topology::Device;
using topology::Severity;
using topology::Stream;

namespace {

constexpr std::size_t most_streams_said = 8;  // in one finding

bool is_component(const firmware::IortNode& node) { return node.kind == firmware::IortKind::named_component; }

}  // namespace

void Draft::add_components() {
    if (!iort_) return;
    const auto leads_to_unit = [&](const firmware::IdMapping& mapping) { return smmu_units_.contains(mapping.target); };
    const auto goes_around = [&](const firmware::IortNode& node) {
        return std::ranges::any_of(node.mappings, leads_to_unit) && !std::ranges::all_of(node.mappings, leads_to_unit);
    };
    std::set<AcpiName> known;
    for (const firmware::IortNode& node : iort_->nodes) {
        if (!is_component(node)) continue;
        if (iort_->streams_of_component(node).size() == firmware::most_component_streams)
            finding("component-streams-many", Severity::warning, node.origin,
                    fmt::format("{} has {} streams or more; those beyond are treated like streams that nobody has.", to_string(name_of_component(node)),
                                firmware::most_component_streams));
        if (goes_around(node))
            finding("component-around", Severity::warning, node.origin,
                    fmt::format("Some of what {} sends goes around every unit and cannot be contained: trust it, or turn it off in the "
                                "machine's setup.", to_string(name_of_component(node))));
        if (!known.insert(name_of_component(node)).second) continue;  // several nodes of one component
        Device device;
        device.id = name_of_component(node);
        device.origin = node.origin;
        topology_.devices.push_back(std::move(device));
    }
}

std::vector<Stream> Draft::component_streams(const AcpiName& name) const {
    std::vector<Stream> streams;
    if (!iort_) return streams;
    for (const firmware::IortNode& node : iort_->nodes) {
        if (!is_component(node) || name_of_component(node) != name) continue;
        for (const firmware::IortStream& found : iort_->streams_of_component(node)) {
            if (streams.size() == firmware::most_component_streams) return streams;
            const Stream stream{smmu_units_.at(found.smmu), found.id, found.origin};
            if (std::ranges::find(streams, stream) == streams.end()) streams.push_back(stream);
        }
    }
    return streams;
}

// A stream that the user's line gives to another device is that device's: what a component has left stays blocked, and one
// that has nothing left was described.
void Draft::settle_components() {
    const auto taken = streams_by_hand();
    std::set<AcpiName> described;
    for (Device& component : topology_.devices) {
        const auto* name = std::get_if<AcpiName>(&component.id);
        if (name == nullptr || user_.find_device(component.id) != nullptr) continue;
        const auto is_taken = [&](const Stream& stream) {
            const auto by = taken.find({raw(stream.unit), raw(stream.id)});
            if (by == taken.end()) return false;
            topology_.superseded.push_back({component.id, stream_text(topology_.unit(stream.unit), stream.id), stream.origin, by->second.origin});
            if (by->second.device->description.empty()) by->second.device->description = "ACPI " + name->path;
            return true;
        };
        if (std::erase_if(component.streams, is_taken) != 0 && component.streams.empty()) described.insert(*name);
    }
    std::erase_if(topology_.devices, [&](const Device& device) {
        const auto* name = std::get_if<AcpiName>(&device.id);
        return name != nullptr && described.contains(*name);
    });
    for (const Device& device : topology_.devices) report_component(device);
}

// What `use` clauses with a number say of devices that have an address.
std::map<std::pair<std::uint32_t, std::uint32_t>, Draft::ByHand> Draft::streams_by_hand() {
    std::map<std::pair<std::uint32_t, std::uint32_t>, ByHand> taken;
    for (Device& device : topology_.devices) {
        const auto* entry = user_.find_device(device.id);
        if (entry == nullptr || std::holds_alternative<AcpiName>(device.id)) continue;
        for (const config::UseClause& use : entry->uses)
            if (const auto unit = find_unit(use.unit); unit && use.stream)
                taken.emplace(std::pair{raw(*unit), *use.stream}, ByHand{&device, use.origin});
    }
    return taken;
}

void Draft::report_component(const Device& device) {
    const auto* name = std::get_if<AcpiName>(&device.id);
    if (name == nullptr || device.streams.empty() || user_.find_device(device.id) != nullptr) return;
    std::string uses;
    for (const Stream& stream : std::span(device.streams).first(std::min(device.streams.size(), most_streams_said)))
        uses += fmt::format(" use {} {:#x}", topology_.unit(stream.unit).name, raw(stream.id));
    if (device.streams.size() > most_streams_said)
        uses += fmt::format(" and so on for {} streams more (smmuctl explain {})", device.streams.size() - most_streams_said, to_string(device.id));
    finding("component-blocked", Severity::note, device.origin,
            fmt::format("Firmware says which streams {} has, but not where its registers are: no driver can name it, and it stays "
                        "blocked. To let one use it, add, with the address of its registers: device mem:ADDRESS{}",
                        name->path, uses));
}

}  // namespace smmu::survey
