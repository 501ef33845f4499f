// SPDX-License-Identifier: Apache-2.0
#include "cli/iort_listing.hpp"

#include <fmt/format.h>

#include <map>

#include "survey/driven.hpp"
#include "survey/smmu_nodes.hpp"

namespace smmu::cli {
namespace {

using firmware::IdMapping;
using firmware::Iort;
using firmware::IortKind;
using firmware::IortNode;
using report::ListedStream;
using report::TableListing;

// None where the mapping goes around every unit.
std::vector<ListedStream> streams_of(const Iort& iort, const IdMapping& mapping) {
    const IortNode& unit = iort.nodes[mapping.target];
    if (!survey::kind_of(unit)) return {};
    return {{survey::name_of_unit(unit), mapping.first_output, mapping.first_output + (mapping.last_input - mapping.first_input)}};
}

std::vector<ListedStream> streams_of(const Iort& iort, const IortNode& node) {
    std::vector<ListedStream> streams;
    for (const IdMapping& mapping : node.mappings)
        for (const ListedStream& stream : streams_of(iort, mapping)) streams.push_back(stream);
    return streams;
}

// A unit's segment: that of the first root complex that leads to it.
std::map<std::size_t, std::uint16_t> segments_of_units(const Iort& iort) {
    std::map<std::size_t, std::uint16_t> segments;
    for (const IortNode& node : iort.nodes)
        if (node.kind == IortKind::root_complex)
            for (const IdMapping& mapping : node.mappings) segments.emplace(mapping.target, node.segment);
    return segments;
}

report::ListedUnit unit_of(const IortNode& node, std::uint16_t segment) {
    const topology::UnitKind kind = *survey::kind_of(node);
    return {std::string(topology::name(kind)), node.base.value, survey::register_bytes(node), segment, survey::is_driven(kind), false,
            node.origin.text};
}

// A line for each mapping: which function has an id is known to the machine only.
void list_requesters(const Iort& iort, const IortNode& node, TableListing& listing) {
    for (const IdMapping& mapping : node.mappings) {
        const std::string ids = mapping.single ? "all" : fmt::format("{:04x}-{:04x}", mapping.first_input, mapping.last_input);
        listing.devices.push_back({std::nullopt, fmt::format("{:04x}:{}", node.segment, ids), "requesters", streams_of(iort, mapping),
                                   mapping.origin.text});
    }
}

void list_component(const Iort& iort, const IortNode& node, TableListing& listing) {
    const topology::DeviceId id = survey::name_of_component(node);
    listing.devices.push_back({to_string(id), node.path, "namespace", streams_of(iort, node), node.origin.text});
}

// The devices of a reserved region are known by their streams.
void list_reserved(const Iort& iort, const IortNode& node, TableListing& listing) {
    std::vector<std::string> devices;
    for (const ListedStream& stream : streams_of(iort, node)) devices.push_back(stream_text(stream));
    for (const firmware::IortRange& region : node.reserved)
        listing.reserved.push_back({region.range.first.value, region.range.last.value, devices, region.origin.text});
}

}  // namespace

std::string stream_text(const ListedStream& stream) {
    if (stream.first == stream.last) return fmt::format("{}:{:04x}", stream.unit, stream.first);
    return fmt::format("{}:{:04x}-{:04x}", stream.unit, stream.first, stream.last);
}

void list_iort(const Iort& iort, TableListing& listing) {
    const auto segments = segments_of_units(iort);
    for (std::size_t i = 0; i < iort.nodes.size(); ++i) {
        const IortNode& node = iort.nodes[i];
        const auto segment = segments.find(i);
        switch (node.kind) {
            case IortKind::smmu_v1_v2:
            case IortKind::smmu_v3:
                listing.units.push_back(unit_of(node, segment != segments.end() ? segment->second : std::uint16_t{0}));
                break;
            case IortKind::root_complex: list_requesters(iort, node, listing); break;
            case IortKind::named_component: list_component(iort, node, listing); break;
            case IortKind::reserved_memory: list_reserved(iort, node, listing); break;
            case IortKind::counters:
                for (const firmware::IortRange& page : node.counter_pages)
                    listing.frames.push_back({"counters", false, page.range.first.value, page.range.last.value, page.origin.text});
                break;
            case IortKind::its_group: break;
        }
    }
}

}  // namespace smmu::cli
