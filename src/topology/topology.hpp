// SPDX-License-Identifier: Apache-2.0
// Topology: the machine as a value: which units there are, which device goes through which of them,
// what firmware and configuration say a device must reach. Each fact carries its origin.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/access.hpp"
#include "base/ids.hpp"
#include "base/range.hpp"
#include "topology/device_id.hpp"

namespace smmu::topology {

// Where a fact comes from, for a person: "DMAR+0x30", "board.smmu:12:3", "PCI 0000:00:1c.0".
struct Origin {
    std::string text;
};

enum class UnitKind : std::uint8_t {
    vtd,
    smmuv3,
    smmuv2,
    ipmmu,
    amdvi,
    riscv,
    virtio,
    vfio,  // what the host's kernel keeps, all of it as one unit
    unsupported
};
std::string_view name(UnitKind kind);  // "vtd", ...

// An IPMMU cache unit: the micro-TLBs beside some masters. Their page tables are contexts of the main unit.
struct CacheUnit {
    std::string name;  // as a use clause names it: "ds0", or "ipmmu@e6740000"
    PhysRange registers;
    std::optional<unsigned> status_bit;  // of it, in the main unit's interrupt status
    Origin origin;
};

// A product and its cut, as the product register of an R-Car says them.
struct Chip {
    std::uint32_t product = 0, cut = 0;
    friend bool operator==(const Chip&, const Chip&) = default;
};

struct Unit {
    UnitKind kind = UnitKind::unsupported;
    std::string name;  // "vtd@fed90000" or the name that the configuration gave
    PhysRange registers;
    std::uint16_t segment = 0;
    bool answers = true;  // false: nothing there (finding)
    Origin origin;
    unsigned host_address_bits = 52;  // the machine has physical addresses below 2^this, as firmware says
    // What the registers of some kinds do not say.
    std::optional<bool> coherent_walks = {};       // walks see the processors' caches; nothing: nobody said
    bool unknown_streams_pass = false;        // SMMUv2: streams that nobody has pass
    std::vector<StreamId> reserved_streams = {};   // never handed out: refused
    std::vector<CacheUnit> caches = {};            // IPMMU
    std::vector<Chip> chips = {};                  // IPMMU: those that the description holds for; none: any
};

// The stream of a micro-TLB: `number` of the cache unit caches[cache].
constexpr unsigned micro_tlb_bits = 8;
constexpr StreamId micro_tlb(std::size_t cache, unsigned number) {
    return StreamId(std::uint32_t(cache << micro_tlb_bits | number));
}
constexpr std::size_t cache_of(StreamId stream) { return raw(stream) >> micro_tlb_bits; }
constexpr unsigned micro_tlb_number(StreamId stream) { return raw(stream) & ((1u << micro_tlb_bits) - 1); }

// What a use clause says of a stream: the unit's name, or that of the cache unit, and the number there.
struct StreamName {
    std::string unit;
    std::uint32_t number;
};
StreamName stream_name(const Unit& unit, StreamId stream);
std::string stream_text(const Unit& unit, StreamId stream);  // "stream 0x18 of vtd@fed90000", "micro-TLB 7 of ds0"

struct Stream {
    UnitId unit;
    StreamId id;
    Origin origin;
    friend bool operator==(const Stream& a, const Stream& b) {
        return a.unit == b.unit && a.id == b.id;
    }
};

// Memory that a device must or may always reach: identity mapped.
struct Grant {
    enum class Kind : std::uint8_t { reserved, startup, doorbell };
    Kind kind;
    PhysRange range;
    Access access = read_write;
    bool honoured = true;  // false: stays blocked, a finding says why
    Origin origin;
};

struct Device {
    DeviceId id;
    std::string description;  // "1234:11e8 class 00ff00" or empty
    std::vector<Stream>
        streams;  // every id its DMA may carry, aliases included; empty: behind no unit
    std::vector<Grant> grants;         // its own, as found or configured
    std::vector<PhysRange> registers;  // BARs or the block
    GroupId group{};
    bool interrupts_by_message = false;  // has MSI or MSI-X
    bool is_bridge = false;              // a bridge or port: does no DMA of its own for a driver
    std::uint8_t secondary = 0, subordinate = 0;  // of a bridge: the buses behind it; 0: none
    bool host = false;                   // configuration: the host's kernel drives it
    bool blocked = false;                // configuration: refusing is intended
    bool gone = false;                   // was there once; keeps its streams, which refuse
    Origin origin;
};

// Devices that hardware cannot tell apart, or that can reach each other without passing a unit.
struct Group {
    std::vector<DeviceIndex> devices;
    std::string reason;  // why they belong together; empty for a group of one
};

// Memory that no mapping of any origin may reach.
struct Protected {
    PhysRange range;
    std::string what;  // "registers of vtd@fed90000", "table memory", ...
};

enum class Severity : std::uint8_t { note, warning, error };
std::string_view name(Severity severity);

struct Finding {
    std::string id;  // stable: "dmar-rmrr-inverted"
    Severity severity = Severity::warning;
    Origin origin;
    std::string text;  // where, what, what to do
    bool in_configuration = false;  // what the user said is wrong, not what the machine says
};

// A fact that lost against another one: kept so that a person can see what was there and what
// replaced it.
struct Superseded {
    std::variant<DeviceId, UnitId> subject;
    std::string fact;  // "stream 0x18 of vtd@fed90000"
    Origin origin;
    Origin by;
};

struct Topology {
    std::vector<Unit> units;      // indexed by UnitId
    std::vector<Device> devices;  // indexed by DeviceIndex, ascending by id
    std::vector<Group> groups;    // indexed by GroupId
    std::vector<Protected> protected_memory;
    std::vector<Finding> findings;
    std::vector<Superseded> superseded;

    const Unit& unit(UnitId id) const { return units[raw(id)]; }
    const Device& device(DeviceIndex index) const { return devices[raw(index)]; }
    const Group& group(GroupId id) const { return groups[raw(id)]; }
};

}  // namespace smmu::topology
