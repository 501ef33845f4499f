// SPDX-License-Identifier: Apache-2.0
#include "config/options.hpp"

#include <algorithm>
#include <array>

#include "config/parser.hpp"

namespace smmu::config {
namespace {

constexpr std::array option_table{
    Option{"allow", "NAME start,len[,perm]",
           "adds a range to a named set of memory; perm of r, w, x, default rw",
           "allow frames 0x8000000,16M,rw", Repeat::adds, parse_allow},
    Option{"device",
           "ID {NAME} {use UNIT [STREAM]} {reserved start,len[,perm]} [reserved none] [host] "
           "[blocked]",
           "a device: allow sets as startup mappings, its units and streams, memory it must always "
           "reach",
           "allow frames 0x8000000,16M device pci:0:3.0 frames use vtd@fed90000",
           Repeat::adds, parse_device},
    Option{"smmu", "TYPE [PARAM]",
           "support for a kind of unit: vtd [require|ignore], armsmmu, armsmmuv3, rcar3, amdvi, "
           "riscv, virtio, vfio",
           "smmu vtd require", Repeat::adds, parse_smmu},
    Option{"unit", "NAME PARAM", "one unit by hand, of the kind that the last smmu word names",
           "smmu vtd unit dmar0 0xfed90000", Repeat::adds, parse_unit},
    Option{"combine", "override|merge",
           "how the user's facts and those of the board go together; default override",
           "combine merge", Repeat::last, parse_combine},
    Option{"unclaimed", "block|bypass [UNIT]",
           "what becomes of streams that no known device maps to; default block", "unclaimed block",
           Repeat::last, parse_unclaimed},
    Option{"uncontained", "accept ADDRESS",
           "start although the unit at this address cannot be programmed",
           "uncontained accept 0xfed91000", Repeat::adds, parse_uncontained},
    Option{"exit", "startup|block",
           "what an orderly stop leaves open: startup mappings (default) or nothing", "exit block",
           Repeat::last, parse_exit},
    Option{"ability", "attach|target|monitor|admin user:NAME|group:NAME",
           "who may connect, choose targets, read everybody's transgressions, administer",
           "ability attach group:video", Repeat::adds, parse_ability},
    Option{"limit", "user:NAME|group:NAME ID|any start,len[,perm]|any",
           "which devices and which memory a caller other than root may claim",
           "limit group:video 0000:00:02.0 0x8000000,16M,rw", Repeat::adds, parse_limit},
    Option{"tables", "SIZE | start,len", "table memory: how much, or a reserved range",
           "tables 64M", Repeat::last, parse_tables},
    Option{"widen", "refuse|allow",
           "for units that cannot express a permission; default allow, reported", "widen refuse",
           Repeat::last, parse_widen},
    Option{"safety", "none|warn|required", "reaction to parts outside the safety set",
           "safety warn", Repeat::last, parse_safety},
    Option{"platform", "linux | board NAME", "where the hardware is; default linux",
           "platform board q35-vtd", Repeat::last, parse_platform},
    Option{"trial", "SECONDS", "go back after start unless confirmed in time", "trial 120",
           Repeat::last, parse_trial},
    Option{"takeover", "foreign",
           "replace structures of a unit that somebody else left translating", "takeover foreign",
           Repeat::last, parse_takeover},
    Option{"socket", "PATH", "where clients connect; default /run/smmuman/smmuman.sock",
           "socket /run/smmuman/smmuman.sock", Repeat::last, parse_socket},
    Option{"foreground", "", "stay in the foreground", "foreground", Repeat::last,
           parse_foreground},
    Option{"debug", "1|2", "debugging output; 2 is more", "debug 1", Repeat::last, parse_debug},
};

constexpr std::array<std::string_view, 33> clause_table{
    "use",     "reserved", "none",    "host",      "blocked", "any",     "block",  "bypass",   "require",
    "ignore",  "merge",    "accept",  "startup",   "linux",   "foreign", "attach", "target",   "monitor",
    "admin",   "refuse",  "warn",      "required", "override", "vtd",   "armsmmu",  "armsmmuv3",
    "rcar3",   "amdvi",    "riscv",   "virtio",    "vfio",    "user",    "group"};

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
