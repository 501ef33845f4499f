// SPDX-License-Identifier: Apache-2.0
// Oracle: what every stream must reach, counted byte by byte from the rules alone. It shares no
// code with the service: plain arrays over a small window of device addresses, granules of 16 and
// 64 bytes.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <vector>

namespace smmu::containment::testing {

inline constexpr std::uint64_t window_start = 0x1000, window_bytes = 512;

struct Cell {
    std::uint64_t physical = 0;
    unsigned access = 0;  // bits of Access; 0: nothing
    friend bool operator==(const Cell&, const Cell&) = default;
};
using Bytes = std::array<Cell, window_bytes>;

struct OracleGroup {
    std::vector<unsigned> devices;
    std::vector<std::pair<unsigned, std::uint32_t>> streams;  // unit, stream
    Bytes always{};                    // identity, not rounded, protected bytes included
    std::vector<std::pair<std::uint64_t, std::uint64_t>> doorbells;  // frames: where they begin in the window, their lengths
    std::optional<unsigned> attached;  // object
};

struct OracleObject {
    unsigned client = 0;
    Bytes bytes{};
    unsigned granule = 16;
    std::set<unsigned> devices;
};

struct Oracle {
    std::vector<OracleGroup> groups;
    std::vector<unsigned> group_of;  // by device
    std::vector<unsigned> unit_granule{16, 64};
    unsigned least_granule = 16;  // of an object without devices
    std::vector<bool> write_implies_read{false, false};  // by unit
    std::set<std::uint64_t> protected_bytes;
    std::map<unsigned, OracleObject> objects;
    std::map<unsigned, unsigned> claimed;  // device -> object

    unsigned granule_of(unsigned group) const {
        unsigned granule = 0;
        for (const auto& [unit, stream] : groups[group].streams)
            granule = std::max(granule, unit_granule[unit]);
        return granule;
    }

    // Bytes rounded out; nothing when a granule would lead to two places.
    static std::optional<Bytes> rounded(const Bytes& bytes, unsigned granule) {
        Bytes result{};
        for (std::uint64_t g = 0; g < window_bytes; g += granule) {
            unsigned access = 0;
            std::optional<std::uint64_t> base;
            for (std::uint64_t i = g; i < g + granule; ++i) {
                if (bytes[i].access == 0) continue;
                access |= bytes[i].access;
                const std::uint64_t here = bytes[i].physical - (i - g);
                if (base && *base != here) return std::nullopt;
                base = here;
            }
            if (!base) continue;
            if (*base % granule != 0) return std::nullopt;
            for (std::uint64_t i = g; i < g + granule; ++i) result[i] = {*base + (i - g), access};
        }
        return result;
    }

    // What a group may always reach, without granules that hold protected bytes.
    Bytes always(unsigned group, unsigned granule) const {
        Bytes result = *rounded(groups[group].always, granule);
        for (std::uint64_t g = 0; g < window_bytes; g += granule) {
            bool cut = false;
            for (std::uint64_t i = g; i < g + granule; ++i)
                cut = cut || protected_bytes.contains(window_start + i);
            for (std::uint64_t i = g; cut && i < g + granule; ++i) result[i] = {};
        }
        return result;
    }

    // And while it is attached: of each frame the first granule, where the whole of it is in the frame.
    Bytes with_doorbells(unsigned group, unsigned granule) const {
        Bytes result = always(group, granule);
        for (const auto& [first, length] : groups[group].doorbells) {
            if (first % granule != 0 || length < granule) continue;
            for (std::uint64_t i = first; i < first + granule; ++i)
                result[i] = {window_start + i, result[i].access | 2u};  // write
        }
        return result;
    }

    // What a group reaches in an object; nothing when the rules forbid it.
    std::optional<Bytes> reach(unsigned group, unsigned unit, const OracleObject& object) const {
        const auto opened = rounded(object.bytes, object.granule);
        if (!opened) return std::nullopt;
        Bytes result = *opened;
        const Bytes extra = with_doorbells(group, unit_granule[unit]);
        for (std::uint64_t i = 0; i < window_bytes; ++i) {
            if (extra[i].access == 0) continue;
            if (result[i].access != 0 && result[i].physical != extra[i].physical)
                return std::nullopt;
            result[i] = {extra[i].physical, result[i].access | extra[i].access};
        }
        return result;
    }

    Bytes expected(unsigned group, unsigned unit) const {
        const OracleGroup& g = groups[group];
        const Bytes granted = g.attached ? *reach(group, unit, objects.at(*g.attached)) : always(group, unit_granule[unit]);
        return write_implies_read[unit] ? widened(granted) : granted;
    }
    static Bytes widened(Bytes bytes) {
        for (Cell& cell : bytes)
            if ((cell.access & 2) != 0) cell.access |= 1;
        return bytes;
    }

    bool opens_protected(const OracleObject& object) const {
        const auto opened = rounded(object.bytes, object.granule);
        if (!opened) return false;
        for (const Cell& cell : *opened)
            if (cell.access != 0 && protected_bytes.contains(cell.physical)) return true;
        return false;
    }

    // Whether the object could be as it is with the groups attached to it and `more`.
    bool is_allowed(unsigned id, const OracleObject& object, std::optional<unsigned> more) const {
        if (!rounded(object.bytes, object.granule) || opens_protected(object)) return false;
        for (unsigned g = 0; g < groups.size(); ++g)
            for (const auto& [unit, stream] : groups[g].streams)
                if ((groups[g].attached == id || more == g) && !reach(g, unit, object))
                    return false;
        return true;
    }

    void detach(unsigned device) {
        const unsigned id = claimed.at(device);
        claimed.erase(device);
        OracleObject& object = objects.at(id);
        object.devices.erase(device);
        bool any = false;
        for (const unsigned member : groups[group_of[device]].devices)
            any = any || claimed.contains(member);
        if (!any) groups[group_of[device]].attached.reset();
        if (object.devices.empty()) object.granule = least_granule;
    }
    void destroy(unsigned id) {
        const auto devices = objects.at(id).devices;
        for (const unsigned device : devices) detach(device);
        objects.erase(id);
    }
};

}  // namespace smmu::containment::testing
