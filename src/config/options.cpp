// SPDX-License-Identifier: Apache-2.0
#include "config/options.hpp"

#include <algorithm>
#include <array>

#include "config/parser.hpp"

namespace smmu::config {
namespace {

constexpr std::array option_table{
    Option{"allow", "NAME start,len[,perm]",
           "adds a range to a named set of memory; perm of r, w, x, default rw", Repeat::adds,
           parse_allow},
    Option{"device",
           "ID {NAME} {use UNIT [STREAM]} {reserved start,len[,perm]} [reserved none] [host] "
           "[blocked]",
           "a device: allow sets as startup mappings, its units and streams, memory it must always "
           "reach",
           Repeat::adds, parse_device},
    Option{"smmu", "TYPE [PARAM]",
           "support for a kind of unit: vtd [require|ignore], armsmmu, armsmmuv3, rcar3, amdvi, "
           "riscv, virtio, vfio",
           Repeat::adds, parse_smmu},
    Option{"unit", "NAME PARAM", "one unit by hand, of the kind that the last smmu word names",
           Repeat::adds, parse_unit},
    Option{"combine", "override|merge",
           "how the user's facts and those of the board go together; default override",
           Repeat::last, parse_combine},
    Option{"unclaimed", "block|bypass [UNIT]",
           "what becomes of streams that no known device maps to; default block", Repeat::last,
           parse_unclaimed},
    Option{"uncontained", "accept ADDRESS",
           "start although the unit at this address cannot be programmed", Repeat::adds,
           parse_uncontained},
    Option{"exit", "startup|block",
           "what an orderly stop leaves open: startup mappings (default) or nothing", Repeat::last,
           parse_exit},
    Option{"ability", "attach|target|monitor|admin user:NAME|group:NAME",
           "who may connect, choose targets, read everybody's transgressions, administer",
           Repeat::adds, parse_ability},
    Option{"limit", "user:NAME|group:NAME ID|any start,len[,perm]|any",
           "which devices and which memory a caller other than root may claim", Repeat::adds,
           parse_limit},
    Option{"tables", "SIZE | start,len", "table memory: how much, or a reserved range",
           Repeat::last, parse_tables},
    Option{"widen", "refuse|allow",
           "for units that cannot express a permission; default allow, reported", Repeat::last,
           parse_widen},
    Option{"safety", "none|warn|required", "reaction to parts outside the safety set", Repeat::last,
           parse_safety},
    Option{"platform", "linux | board NAME", "where the hardware is; default linux", Repeat::last,
           parse_platform},
    Option{"trial", "SECONDS", "go back after start unless confirmed in time", Repeat::last,
           parse_trial},
    Option{"takeover", "foreign",
           "replace structures of a unit that somebody else left translating", Repeat::last,
           parse_takeover},
    Option{"socket", "PATH", "where clients connect; default /run/smmuman/smmuman.sock",
           Repeat::last, parse_socket},
    Option{"foreground", "", "stay in the foreground", Repeat::last, parse_foreground},
    Option{"debug", "1|2", "debugging output; 2 is more", Repeat::last, parse_debug},
};

constexpr std::array<std::string_view, 16> clause_table{
    "use",     "reserved", "none",  "host",   "blocked", "any",   "block",   "bypass",
    "require", "ignore",   "merge", "accept", "startup", "linux", "foreign", "override"};

}  // namespace

std::span<const Option> options() {
    return option_table;
}

const Option* find_option(std::string_view word) {
    const auto at = std::ranges::find(option_table, word, &Option::word);
    return at != option_table.end() ? &*at : nullptr;
}

std::span<const std::string_view> clause_words() {
    return clause_table;
}

}  // namespace smmu::config
