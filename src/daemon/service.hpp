// SPDX-License-Identifier: Apache-2.0
// Service: the machine, its units and containment, as sessions and timers use them. Everything here happens on one
// thread, inside calls of the event loop.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "config/configuration.hpp"
#include "containment/containment.hpp"
#include "daemon/configuration_source.hpp"
#include "daemon/machine.hpp"
#include "daemon/pci_devices.hpp"
#include "daemon/people.hpp"
#include "daemon/pin_quota.hpp"
#include "pci/rescan.hpp"
#include "protocol/peer.hpp"
#include "units/vfio/client_view.hpp"

namespace smmu::daemon {

class Service {
public:
    // From nothing to every unit contained: discovers the machine and takes each unit over. What is not contained and
    // not accepted by configuration is ExitStatus::not_contained, with every reachable unit blocking.
    // `tables_folder`: firmware tables from files instead of the machine's.
    // `source`: where `configuration` came from, for a reload.
    static Started<std::unique_ptr<Service>> start(ConfigurationSource source, config::Configuration configuration,
                                                   const std::optional<std::string>& tables_folder, Clock& clock);
    ~Service();

    containment::Containment& containment() { return *containment_; }
    platform::Platform& platform() { return *machine_.platform; }
    PinQuota& pin_quota() { return pin_quota_; }
    Clock& clock() { return clock_; }
    const config::Configuration& configuration() const { return configuration_; }
    std::uint64_t instance() const { return instance_; }
    // SMMUMAN_SAFETY_*: this build is not the safety edition.
    int safety() const { return 0; }

    // A client's memory, kept in place for as long as the answer lives.
    Result<std::unique_ptr<platform::PinnedMemory>> hold(UniqueFd memory, std::uint64_t offset, std::uint64_t length);
    // ENOTSUP on a machine where memory comes by descriptor only.
    Result<void> check_by_address() const;
    // By which the owner of an attached device drives it, where the kernel keeps the units.
    Result<UniqueFd> device_descriptor(ClientId client, const containment::DeviceQuery& device);

    Result<ClientId> connect(int socket, const protocol::Peer& peer);
    // "contained N of M units, K devices behind no unit, T ms"
    std::string summary() const;
    // What is worth knowing after the start: findings; with `debug` 1 also notes and the units' modes; with 2 each device
    // with its streams.
    std::vector<std::string> remarks(unsigned debug) const;
    std::string status_json(ClientId reader) const;
    // Why nobody would keep memory that outlives the service; empty: somebody does, or need not.
    void set_keeper_problem(const std::string& problem) { keeper_problem_ = problem; }

    // Fetches refusals and does what time brings. True: there is more to fetch.
    bool look_for_refusals() noexcept;
    // Compares the units with what was written to them. What was changed behind the service's back was stopped and
    // taken over again; `contained` is false where that did not succeed: the service must not go on.
    struct Change {
        bool contained;
        std::string text;
    };
    std::optional<Change> recheck() noexcept;
    void leave() noexcept;

    // What administrators ask for. The configuration is read again: all of it holds afterwards, or nothing has changed.
    // Abilities and limits count from a client's next connection on.
    Result<void> reload();
    // Ends a trial: the service stays. EINVAL when there is none.
    Result<void> confirm();
    // Turns one unit off, for good as far as this instance is concerned.
    Result<void> release_unit(std::string_view name);
    // The time after which a start on trial is taken back unless it is confirmed; 0 when there is nothing to take back.
    std::chrono::seconds trial() const { return on_trial_ ? configuration_.trial.value : std::chrono::seconds(0); }
    // Every unit is off again, as it was found. Clients must be gone. The problem of each unit that did not follow.
    std::vector<Error> take_back() noexcept;

    bool waits_for_devices() const { return devices_->resetting_any(); }
    // Devices have owners, or are being reset: refusals and resets are worth looking at often.
    bool attentive() const;

private:
    // What became of one unit of the topology.
    struct UnitOutcome {
        std::string problem;  // empty: contained
        units::TakeOver take_over;
        units::IommuUnit* driver = nullptr;  // containment owns it
        bool programmed = false;
        bool accepted = false;  // configuration says: start without it
        bool silent = false;    // nothing answers there: it does not count
        bool released = false;  // an administrator had it turned off
    };

    Service(ConfigurationSource source, config::Configuration configuration, People people, Clock& clock, Machine machine);
    std::vector<containment::DrivenUnit> open_units();
    void take_units_over();
    bool retire_earlier_generations();
    Started<void> judge();
    std::optional<Change> check_given_up();
    std::optional<std::string> follow_devices();
    std::optional<std::string> take_in_devices();
    Result<void> forget_replaced();
    void shut_units() noexcept;
    void quieten_behind(UnitId unit);
    void add_unit(std::vector<std::string>& lines, const topology::Unit& unit, const UnitOutcome& outcome,
                  unsigned debug) const;
    void add_outside_safety(std::vector<std::string>& lines) const;
    void add_streams(std::vector<std::string>& lines) const;

    ConfigurationSource source_;
    config::Configuration configuration_;
    People people_;
    Clock& clock_;
    Nanoseconds start_time_{};
    std::uint64_t instance_ = 0;
    bool on_trial_ = false;
    std::string keeper_problem_;
    std::string unfollowed_;  // why functions that came or went are not in the topology yet; empty: they are
    Machine machine_;
    memory::Account own_tables_;
    PinQuota pin_quota_;
    units::vfio::ClientViews client_views_;
    std::unique_ptr<PciDevices> devices_;
    std::unique_ptr<pci::Rescan> rescan_;
    std::vector<UnitOutcome> outcomes_;  // index = UnitId
    std::unique_ptr<containment::Containment> containment_;
};

}  // namespace smmu::daemon
