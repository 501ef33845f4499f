// SPDX-License-Identifier: Apache-2.0
// GrantOracle: which byte of memory each device must reach, counted byte by byte from the rules of
// granting alone. It shares no code with the service.
//
// Device addresses of two windows count: the arena itself, granted without a target, and a window
// of the same size elsewhere, granted with targets in the arena.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "tests/e2e/machine_room.hpp"

namespace smmu::test {

inline constexpr std::uint64_t arena_pages = 24;
inline constexpr std::uint64_t arena_bytes = arena_pages * page;

class GrantOracle {
public:
    using Key = unsigned;  // an object, by a number of the test's

    // Where the windows are, and whether units of this kind cannot say "write" without "read".
    struct Rules {
        std::uint64_t arena = 0, target_window = 0;
        bool write_implies_read = false;
    };
    explicit GrantOracle(Rules rules) : rules_(rules) {}

    struct Reach {
        std::uint64_t memory;
        unsigned access;  // SMF_READ, SMF_WRITE
    };

    void create(Key object) { objects_[object].resize(2 * arena_bytes); }
    void destroy(Key object) {
        objects_.erase(object);
        std::erase_if(attached_, [&](const auto& pair) { return pair.second == object; });
    }
    void attach(StreamId device, Key object) { attached_[device] = object; }
    void detach(StreamId device) { attached_.erase(device); }
    void allow_at_startup(StreamId device, std::uint64_t first, std::uint64_t bytes) {
        startup_.push_back({device, first, bytes});
    }

    // False: the rules refuse the call, and nothing changed. `access` 0 removes.
    bool grant(Key object, std::uint64_t address, std::uint64_t bytes, unsigned access,
               std::uint64_t memory) {
        Cells changed = objects_.at(object);
        const std::size_t first = *index(address);
        for (std::size_t i = 0; i < bytes; ++i)
            changed[first + i] = {access != 0 ? memory + i : 0, access};
        for (std::size_t at = first / page * page; at < first + bytes; at += page)
            if (!is_sound(changed, at)) return false;
        objects_.at(object) = std::move(changed);
        return true;
    }

    // What the device reaches at `address`; access 0: nothing.
    Reach reach(StreamId device, std::uint64_t address) const {
        const std::uint64_t in_page = address % page, start = address - in_page;
        Reach result{0, 0};
        for (const Startup& range : startup_)
            if (range.device == device && range.first < start + page &&
                start < range.first + range.bytes)
                result = {address, rw};
        const auto owner = attached_.find(device);
        const auto first = index(start);
        if (owner == attached_.end() || !first) return result;
        const Cells& cells = objects_.at(owner->second);
        for (std::size_t i = 0; i < page; ++i) {
            const Cell& cell = cells[*first + i];
            if (cell.access == 0) continue;
            result = {cell.memory - i + in_page, result.access | cell.access};
        }
        if (rules_.write_implies_read && (result.access & SMF_WRITE) != 0) result.access |= SMF_READ;
        return result;
    }

private:
    struct Cell {
        std::uint64_t memory = 0;
        unsigned access = 0;
    };
    using Cells = std::vector<Cell>;
    struct Startup {
        StreamId device;
        std::uint64_t first, bytes;
    };

    std::optional<std::size_t> index(std::uint64_t address) const {
        if (address >= rules_.arena && address - rules_.arena < arena_bytes) return address - rules_.arena;
        if (address >= rules_.target_window && address - rules_.target_window < arena_bytes)
            return arena_bytes + (address - rules_.target_window);
        return std::nullopt;
    }
    // Whether the granted bytes of a page lead to one page.
    static bool is_sound(const Cells& cells, std::size_t start) {
        std::optional<std::uint64_t> base;
        for (std::size_t i = 0; i < page; ++i) {
            if (cells[start + i].access == 0) continue;
            const std::uint64_t here = cells[start + i].memory - i;
            if (here % page != 0 || (base && *base != here)) return false;
            base = here;
        }
        return true;
    }

    Rules rules_;
    std::map<Key, Cells> objects_;
    std::map<StreamId, Key> attached_;
    std::vector<Startup> startup_;
};

}  // namespace smmu::test
