// SPDX-License-Identifier: Apache-2.0
// Configuration: what the user said, as a value. Every fact carries the place where it was said.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/access.hpp"
#include "base/range.hpp"
#include "topology/device_id.hpp"
#include "topology/topology.hpp"

namespace smmu::config {

using topology::Origin;

// Which of the two services reads the words: the safety one has other defaults and refuses some
// words.
enum class Edition : std::uint8_t { plain, safety };

// A setting of which the last word wins; no origin: nobody said it.
template <class T>
struct Setting {
    T value{};
    std::optional<Origin> origin;
};

struct Window {
    PhysRange range;
    Access access = read_write;
    Origin origin;
};

struct AllowSet {
    std::string name;
    std::vector<Window> windows;
};

struct NameUse {
    std::string name;
    Origin origin;
};

// use unit [stream]
struct UseClause {
    std::string unit;
    std::optional<std::uint32_t> stream;  // stream id or micro-TLB; VT-d has none
    Origin origin;
};

// All device lines of one id together.
struct DeviceEntry {
    topology::DeviceId id;
    std::vector<NameUse> allows;
    std::vector<UseClause> uses;
    std::vector<Window> reserved;
    std::optional<Origin> reserved_none;
    std::optional<Origin> host;     // the host's kernel drives it
    std::optional<Origin> blocked;  // refusing is intended
    Origin origin;                  // of the first line

    // Words about reserved regions replace what firmware says under `combine override`.
    bool speaks_of_reserved() const { return reserved_none.has_value() || !reserved.empty(); }
};

enum class TablePolicy : std::uint8_t { if_present, require, ignore };

// smmu rcar3 paddr,fault_vector,mm_fault_bit{,socid.revid}
struct IpmmuMain {
    PhysAddr base;
    std::uint32_t fault_interrupt = 0;
    std::uint32_t fault_bit = 0;  // of the main unit itself, in its interrupt status
    std::vector<topology::Chip> chips;
    friend bool operator==(const IpmmuMain&, const IpmmuMain&) = default;
};

// smmu type [param]
struct SupportModule {
    std::optional<topology::UnitKind> kind;        // nothing: vfio, units that the kernel owns
    TablePolicy tables = TablePolicy::if_present;  // vtd
    std::optional<IpmmuMain> main;  // rcar3
    Origin origin;
};

// unit name param
struct UnitEntry {
    std::string name;
    topology::UnitKind kind = topology::UnitKind::unsupported;
    PhysAddr base;
    PhysAddr main_base = {};  // rcar3: of the main unit that walks for this cache unit
    std::vector<std::uint32_t>
        interrupts;       // in the order of the words; rcar3: its bit in the status register
    bool bypass = false;  // streams that nobody knows pass
    std::vector<std::uint32_t> reserved_streams;
    std::string board_library;  // cfg_dll
    Origin origin;
};

enum class Combine : std::uint8_t { override_board, merge };
enum class ExitPolicy : std::uint8_t { startup, block };
enum class Widen : std::uint8_t { refuse, allow };
enum class Safety : std::uint8_t { none, warn, required };
enum class Ability : std::uint8_t { attach, target, monitor, admin };

// unclaimed block|bypass [unit]; no unit: all of them.
struct UnclaimedEntry {
    bool bypass = false;
    std::optional<std::string> unit;
    Origin origin;
};

struct AcceptEntry {
    PhysAddr base;  // of the unit that may stay open
    Origin origin;
};

struct Who {
    bool is_group = false;
    std::string name;
    friend bool operator==(const Who&, const Who&) = default;
};

struct AbilityEntry {
    Ability ability;
    Who who;
    Origin origin;
};

// limit who (ID|any) (range|any)
struct LimitEntry {
    Who who;
    std::optional<topology::DeviceId> device;  // nothing: any
    std::optional<Window> memory;              // nothing: any
    Origin origin;
};

struct TableMemory {
    std::uint64_t bytes = 0;         // 0: as much as the service likes
    std::optional<PhysRange> range;  // a reserved range
};

struct PlatformChoice {
    bool board = false;
    std::string name;  // of the board
};

struct Configuration {
    Edition edition = Edition::plain;
    std::vector<AllowSet> allow_sets;
    std::vector<DeviceEntry> devices;  // one for each id, in the order of their first lines
    std::vector<SupportModule> modules;
    std::vector<UnitEntry> units;
    std::vector<UnclaimedEntry> unclaimed;
    std::vector<AcceptEntry> uncontained_accepted;
    std::vector<AbilityEntry> abilities;
    std::vector<LimitEntry> limits;
    Setting<Combine> combine;
    Setting<ExitPolicy> exit;
    Setting<TableMemory> tables;
    Setting<Widen> widen;
    Setting<Safety> safety;
    Setting<PlatformChoice> platform;
    Setting<std::chrono::seconds> trial;  // 0: no trial
    Setting<bool> takeover_foreign;
    Setting<std::string> socket;
    Setting<bool> foreground;
    Setting<unsigned> debug;  // 0, 1 or 2

    const AllowSet* find_allow(std::string_view name) const;
    const DeviceEntry* find_device(const topology::DeviceId& id) const;
    const UnitEntry* find_unit(std::string_view name) const;
    // True when a smmu word names the kind, or when there is no smmu word at all.
    bool wants(topology::UnitKind kind) const;
    // smmu vfio: the host's kernel keeps the units.
    bool kernel_keeps_units() const;
    TablePolicy vtd_tables() const;  // of the last smmu vtd word that says
    bool accepts_uncontained(PhysAddr base) const;
    // Streams of the unit that no device maps to pass: some word says so, and no word says block.
    bool bypasses_unclaimed(std::string_view unit) const;
};

// What holds before the first word.
Configuration defaults(Edition edition);

}  // namespace smmu::config
