// SPDX-License-Identifier: Apache-2.0
// Access: what a device may do with memory, or tried to do. The values of permissions are those of SMF_* in smmu.h.
#pragma once

#include <cstdint>
#include <string>

namespace smmu {

enum class Access : std::uint8_t { none = 0, read = 1, write = 2, execute = 4, registers = 8 };
// `registers` is no permission. It goes with one: what is there is no memory, so hardware neither caches, gathers nor
// reorders the access.

constexpr Access operator|(Access a, Access b) { return Access(std::uint8_t(a) | std::uint8_t(b)); }
constexpr Access operator&(Access a, Access b) { return Access(std::uint8_t(a) & std::uint8_t(b)); }
constexpr Access operator~(Access a) { return Access(~std::uint8_t(a) & 15); }
constexpr Access& operator|=(Access& a, Access b) { return a = a | b; }
// True when every permission of `wanted` is in `have`.
constexpr bool permits(Access have, Access wanted) { return (have & wanted) == wanted; }

inline constexpr Access read_write = Access::read | Access::write;

// "rw": the permissions, as configuration and documents write them.
inline std::string letters(Access access) {
    std::string text;
    if (permits(access, Access::read)) text += 'r';
    if (permits(access, Access::write)) text += 'w';
    if (permits(access, Access::execute)) text += 'x';
    return text;
}

}  // namespace smmu
