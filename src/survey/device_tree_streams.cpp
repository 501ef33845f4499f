// SPDX-License-Identifier: Apache-2.0
#include "survey/device_tree_streams.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <utility>

namespace smmu::survey {

using firmware::PciHost;
using firmware::StreamMap;
using firmware::TreeMaster;
using firmware::TreeStream;
using topology::Stream;

std::vector<Stream> each_once(std::vector<Stream> streams) {
    std::ranges::sort(streams, {}, [](const Stream& stream) { return std::pair(raw(stream.unit), raw(stream.id)); });
    const auto repeated = std::ranges::unique(streams);
    streams.erase(repeated.begin(), repeated.end());
    return streams;
}

void DeviceTreeStreams::add(Collected& found, const TreeStream& stream, const topology::Origin& origin) const {
    const auto& place = places_[stream.unit];
    const std::size_t count = std::size_t{1} << std::popcount(stream.mask);
    const bool is_main = place && !place->cache && tree_.units[stream.unit].kind == topology::UnitKind::ipmmu;
    const bool is_no_micro_tlb = place && place->cache && (stream.id >> topology::micro_tlb_bits) != 0;
    if (!place || is_main || is_no_micro_tlb || count > most_streams_of_entry || count > most_streams_of_device - found.streams.size()) {
        found.contained = false;
        return;
    }
    // Every subset of the mask's bits, upwards.
    std::uint32_t bits = 0;
    do {
        const std::uint32_t id = (stream.id & ~stream.mask) | bits;
        found.streams.push_back({place->unit, place->cache ? topology::micro_tlb(*place->cache, id) : StreamId(id), origin});
        bits = (bits - stream.mask) & stream.mask;
    } while (bits != 0);
}

void DeviceTreeStreams::add_map(Collected& found, const StreamMap& map, const topology::Origin& origin) const {
    if (map.last - map.first >= most_streams_of_entry) {
        found.contained = false;
        return;
    }
    for (std::uint32_t i = 0; i <= map.last - map.first && found.contained; ++i)
        add(found, {map.stream.unit, map.stream.id + i, map.stream.mask}, origin);
}

std::vector<Stream> DeviceTreeStreams::taken(Collected found) {
    return found.contained ? each_once(std::move(found.streams)) : std::vector<Stream>{};
}

std::vector<Stream> DeviceTreeStreams::of_master(const TreeMaster& master) const {
    Collected found;
    for (const TreeStream& stream : master.streams) add(found, stream, master.origin);
    for (const StreamMap& map : master.maps) add_map(found, map, master.origin);
    return taken(std::move(found));
}

const PciHost* DeviceTreeStreams::host_of(const topology::PciAddress& address) const {
    const auto at = std::ranges::find_if(tree_.hosts, [&](const PciHost& host) {
        return host.enabled && host.segment == address.segment && host.first_bus <= address.bus && address.bus <= host.last_bus;
    });
    return at != tree_.hosts.end() ? &*at : nullptr;
}

const TreeMaster* DeviceTreeStreams::own_entry(const PciHost& host, StreamId id) const {
    const auto index = std::size_t(&host - tree_.hosts.data());
    const auto at = std::ranges::find_if(tree_.masters, [&](const TreeMaster& master) {
        return master.host == index && !master.streams.empty() && raw(id) == (std::uint32_t{host.first_bus} << 8 | master.devfn);
    });
    return at != tree_.masters.end() ? &*at : nullptr;
}

// Some drivers listen to the map of the host bridge, others to a function's own entry: it has the streams of both.
std::vector<Stream> DeviceTreeStreams::of_function(const topology::PciAddress& address, StreamId id, const std::string& what) const {
    const PciHost* host = host_of(address);
    if (host == nullptr) return {};
    Collected found;
    if (const TreeMaster* own = own_entry(*host, id))
        for (const TreeStream& stream : own->streams) add(found, stream, own->origin);
    const std::uint32_t input = raw(id) & host->map_mask;
    const auto map = std::ranges::find_if(host->maps, [&](const StreamMap& one) { return one.first <= input && input <= one.last; });
    if (map != host->maps.end())
        add(found, {map->stream.unit, map->stream.id + (input - map->first), map->stream.mask},
            {fmt::format("{}, {}", host->origin.text, what)});
    return taken(std::move(found));
}

std::vector<Stream> DeviceTreeStreams::of_all_below(const PciHost& host) const {
    Collected found;
    for (StreamMap map : host.maps) {
        map.last = std::max(map.first, std::min(map.last, host.map_mask & 0xffff));
        add_map(found, map, host.origin);
    }
    return taken(std::move(found));
}

}  // namespace smmu::survey
