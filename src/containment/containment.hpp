// SPDX-License-Identifier: Apache-2.0
// Containment: who may reach what. Clients' grants are the truth; units' tables are derived copies
// of it. No I/O, no clock and no thread of its own: everything that happens, happens inside a call.
//
// What a group of devices may reach = its object's grants + the startup, reserved and doorbell
// grants of that group, rounded out to granules, minus protected memory. Tables are shared only
// between groups whose whole sets are equal.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/clock.hpp"
#include "base/ids.hpp"
#include "base/result.hpp"
#include "base/short_list.hpp"
#include "containment/held_memory.hpp"
#include "containment/identity.hpp"
#include "containment/transgression.hpp"
#include "topology/topology.hpp"
#include "units/unit.hpp"

namespace smmu::containment {

// What containment asks of the devices themselves. The service never sets bus master again: the
// next driver does.
class DeviceControl {
public:
    virtual ~DeviceControl() = default;
    virtual void bus_master_off(const topology::Device& device) noexcept = 0;
    // A function reset where there is one. Only asked for: it takes its time, and whoever implements
    // this sees to it between calls. Asking again while one is under way changes nothing.
    virtual void begin_reset(const topology::Device& device) noexcept = 0;
    virtual bool resetting(const topology::Device& device) const noexcept = 0;
};

struct Policy {
    bool widen_allowed = true;  // a unit that cannot say a permission may give more (reported)
    std::uint64_t objects_per_user = 1024;
    std::uint64_t grants_per_user = 1'048'576;
    std::uint64_t table_frames_per_user = 65'536;  // 256 MiB of tables
    std::uint64_t table_frames_of_clients = ~std::uint64_t{0};  // all users together; the service keeps the rest
    std::uint64_t connections_per_user = 256;
};

// One unit of the topology as the service drives it; no driver: known but not programmed.
struct DrivenUnit {
    std::unique_ptr<units::IommuUnit> driver;
};

// Which devices a call means.
struct PciQuery {
    std::uint16_t segment = 0;
    std::optional<std::uint32_t> bus, device, function;  // nullopt: any
};
struct MmioQuery {
    PhysAddr base;
    std::uint64_t length = 0;
};
using DeviceQuery = std::variant<PciQuery, MmioQuery>;

struct GrantRequest {
    struct Piece {
        IovaRange device_addresses;
        PhysAddr physical;
    };
    using Pieces = ShortList<Piece, 2>;
    Pieces pieces;                 // in the order of the call: the last one wins
    Access access = Access::none;  // none: removes
    bool translated = false;       // SMF_TARGET: needs ability target unless `memory` is given
    std::shared_ptr<HeldMemory> memory;  // by fd: physical addresses lie in its extents
};

// Work that may take long: filling tables, waiting for a device's reset. What it takes away is gone
// already; nothing of it is granted to a device before the entries are complete. Steps of different
// sessions are interleaved. Dropping one that is not done is safe: its object must be destroyed then.
class Operation {
public:
    virtual ~Operation() = default;
    virtual units::Progress step(units::Budget& budget) noexcept = 0;
    virtual const Result<void>& result() const noexcept = 0;  // after done
};

class Reader;

// Refusals that nobody will ever read: what hardware lost, or what a mute keeps it from saying.
struct LossEpisode {
    enum class What { overflow, muted } what = What::overflow;
    UnitId unit{};
    StreamId stream{};           // of a mute
    std::uint64_t at_least = 0;  // lower bound of what an overflow lost
    Instant when{};
};

struct State;

class Containment {
public:
    Containment(topology::Topology topology, std::vector<DrivenUnit> units, DeviceControl& devices,
                Clock& clock, Policy policy);
    ~Containment();

    // Start. Builds every space that startup, reserved and doorbell grants need and takes each unit
    // over; index = UnitId. A unit that fails is left out of the count; what it met is in its
    // result.
    std::vector<Result<units::TakeOver>> take_over();

    // Clients. disconnect() is what happens when a process ends, in whatever state: its devices are
    // made quiet and blocked and flushed before anything of it is let go.
    Result<ClientId> connect(Identity identity);
    void disconnect(ClientId client) noexcept;
    const Identity& identity(ClientId client) const;

    Result<ObjectId> create_object(ClientId client, bool reserved_manual);
    Result<void> destroy_object(ClientId client, ObjectId object) noexcept;
    // Whether the object is the client's (EINVAL): to be asked before something dear is done for it.
    Result<void> check_owner(ClientId client, ObjectId object) const;
    Result<std::shared_ptr<Operation>> add_device(ClientId client, ObjectId object,
                                                  const DeviceQuery& device);
    Result<void> remove_device(ClientId client, const DeviceQuery& device) noexcept;
    // The stream of one device that the client has attached, for what only its unit knows. ENOENT, EPERM (not attached by this
    // client), EINVAL (several).
    Result<topology::Stream> attached_stream(ClientId client, const DeviceQuery& device) const;
    // Adds or (access none) removes.
    Result<std::shared_ptr<Operation>> change_grants(ClientId client, ObjectId object,
                                                     GrantRequest request);
    // Reserved regions of one device. ENOENT when unknown.
    Result<std::vector<topology::Grant>> reserved(const DeviceQuery& device) const;

    // Refusals: fetches what the units hold. True when a unit has more.
    bool drain() noexcept;
    Result<Reader*> open_reader(ClientId client);  // one per client; closed by disconnect
    // What time brings: unmutes devices that were too loud, opens again what lack of tables had
    // closed.
    void tick() noexcept;
    // The last episodes, oldest first; how many refusals were ever attributed.
    std::vector<LossEpisode> loss_episodes() const;
    std::uint64_t refusals_seen() const;
    // The last refusals of all devices, repeats counted, oldest first.
    std::vector<Transgression> recent_transgressions() const;
    // Compares every unit that was taken over with what was written to it; one that changed is
    // hard-stopped and taken over again, one that is failed stays so. The sentences.
    std::vector<Error> recheck() noexcept;
    // Puts another description of the same machine in force: configuration read again, functions that came or went. All
    // of it holds on return, or nothing has changed. What a client holds neither grows nor shrinks: EBUSY, naming the
    // device and its owner. Units must be the same (EINVAL). Devices keep their numbers; those that are missing are gone:
    // they refuse, and leave the object they were in (`gone` refused: EBUSY), whose owner gets a record that says so.
    // Errors of the hardware (EIO) come after the change, and the unit is stopped.
    enum class Gone { refused, let_go };
    Result<void> replace_topology(topology::Topology next, Gone gone);
    // Turns a unit off: everything behind it reaches everything. EBUSY while a client has a device behind it, EINVAL
    // for a unit that is not programmed.
    Result<void> turn_off(UnitId unit) noexcept;
    // What an orderly stop leaves: startup and reserved grants, or nothing.
    void leave(bool keep_startup) noexcept;

    // Views for status and for messages; valid until the next call that changes something.
    const topology::Topology& topology() const;
    const units::IommuUnit* unit(UnitId id) const;
    struct DeviceView {
        std::optional<ObjectId> object;
        pid_t owner_pid = 0;
        uid_t owner_uid = 0;
        std::string owner_command;
        std::uint64_t refused = 0;
        // failed: a unit it is behind did not confirm something, and everything of it was stopped.
        // open: it is behind a unit that is not programmed.
        // gone: it was there once, and refuses.
        enum class State { contained, host, blocked, no_unit, open, gone, failed } state = State::no_unit;
    };
    DeviceView view(DeviceIndex device) const;
    struct GrantView {
        IovaRange range;
        PhysAddr physical;
        Access access;
        bool by_fd;
    };
    struct ObjectView {
        ObjectId id{};
        pid_t owner_pid = 0;
        uid_t owner_uid = 0;
        std::string owner_command;
        std::vector<DeviceIndex> devices;
        std::vector<GrantView> grants;          // byte exact
        std::uint64_t exposed_by_rounding = 0;  // bytes opened beyond the grants
        std::uint64_t table_frames = 0;
    };
    std::vector<ObjectView> objects() const;
    bool has_objects() const;

private:
    std::unique_ptr<State> state_;
};

// The place of one client in the stream of transgressions: 64 slots; a waiting record absorbs
// repeats; one device holds at most 16; what did not fit is counted and the next record handed out
// says so.
class Reader {
public:
    virtual ~Reader() = default;
    struct Record {
        Transgression transgression;
        bool dropped_before = false;  // records were lost since the last one handed out
    };
    virtual std::optional<Record> next() noexcept = 0;  // oldest first
    virtual bool waiting() const noexcept = 0;
    // Called (from inside a Containment call) when a record comes into an empty reader: it may be there only when that
    // call has returned.
    virtual void on_waiting(std::function<void()> callback) = 0;
    // Of one device, or (nothing) of streams no known device has: seen = delivered + coalesced +
    // dropped + waiting.
    struct Count {
        std::uint64_t seen = 0;
        std::uint64_t delivered = 0;  // records handed out
        std::uint64_t coalesced = 0;  // repeats absorbed by a record
        std::uint64_t dropped = 0;
        std::uint64_t waiting = 0;  // records not yet handed out
    };
    virtual Count count(std::optional<DeviceIndex> device) const noexcept = 0;
};

}  // namespace smmu::containment
