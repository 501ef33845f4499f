// SPDX-License-Identifier: Apache-2.0
// Events: transgressions as lines, from now on, as any monitor gets them (libsmmu).
#include <fmt/format.h>
#include <poll.h>
#include <smmu.h>
#include <smmu_ext.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <memory>

#include "base/access.hpp"
#include "cli/advice.hpp"
#include "cli/phrases.hpp"
#include "cli/subcommands.hpp"
#include "report/status.hpp"
#include "topology/device_id.hpp"

namespace smmu::cli {

namespace {

constexpr int patience_ms = 1000;

std::string device_text(const smmu_devid& id) {
    if (id.type == SDT_PCI)
        return topology::to_string(topology::PciAddress{std::uint16_t(id.pci.bus >> 8), std::uint8_t(id.pci.bus),
                                                        std::uint8_t(id.pci.dev), std::uint8_t(id.pci.func)});
    if (id.type == SDT_MMIO) return topology::to_string(topology::MmioBlock{{id.mmio.phys}, id.mmio.length});
    return "-";
}

report::Event event_of(const smmu_event& from) {
    report::Event event;
    event.sequence = from.sequence;
    event.time_us = from.time_ns / 1000;
    event.unit = from.unit;
    event.device = device_text(from.device);
    event.access = letters(Access(from.access));
    event.cause = smmu_cause_name(from.cause);
    event.stream = from.stream;
    event.stream_known = (from.flags & SMMU_EVENT_STREAM_KNOWN) != 0;
    event.address = from.address;
    event.address_known = (from.flags & SMMU_EVENT_ADDRESS_KNOWN) != 0;
    event.count = from.count;
    event.since_removal_us = from.age_ns / 1000;
    event.owner = {from.owner_pid, from.owner_uid, "", from.owner_object};
    event.raw.assign(from.hardware, from.hardware + 4);
    return event;
}

std::string line_of(const report::Event& event) {
    std::string line = fmt::format("{:>6}  {:.6f} s  {}  {}", event.sequence, double(event.time_us) / 1e6, event.device,
                                   refusal_words(event));
    if (event.owner.pid != 0) line += fmt::format(" (owner {})", owner_text(event.owner));
    return line;
}

// Beside the events, which go to standard output and may be JSON.
void say(const char* text) {
    std::fprintf(stderr, "smmuctl: %s\n", text);
}

// False when the connection is gone.
bool print_waiting(bool json) {
    std::array<smmu_event, 64> events;
    for (;;) {
        events[0].size = sizeof(smmu_event);
        const int count = smmu_event_read(events.data(), unsigned(events.size()));
        if (count < 0) return false;
        for (int i = 0; i < count; ++i) {
            if ((events[std::size_t(i)].flags & SSF_DROPPED_FAULTS) != 0) say("some were lost here");
            const report::Event event = event_of(events[std::size_t(i)]);
            std::puts((json ? report::to_json(event) : line_of(event)).c_str());
        }
        std::fflush(stdout);
        if (count == 0) return true;
    }
}

// Prints until nothing comes within the patience (or for ever). False when the service is gone.
bool listen(int descriptor, bool follow, bool json) {
    pollfd waiting{.fd = descriptor, .events = POLLIN, .revents = 0};
    for (;;) {
        if (!print_waiting(json)) return false;
        const int ready = poll(&waiting, 1, patience_ms);
        if (ready < 0 && errno != EINTR) return false;
        if (ready == 0 && !follow) return true;
    }
}

// Prints what comes within a second, or for ever (`follow`: until a signal ends it; a service that restarts is met
// again). False, with a sentence on standard error, when the service does not let this user listen.
bool print_events(bool follow, bool json) {
    for (bool met = false;;) {
        const bool connected = smmu_init(0) == 0;
        const int descriptor = connected ? smmu_event_fd() : -1;
        if (descriptor < 0 && (!met || (connected && errno != ENOTCONN))) {
            say(smmu_strerror_last());
            return false;
        }
        if (descriptor >= 0) {
            if (follow) say(met ? "a new instance of the service is there; its numbers begin at 1" : "listening");
            met = true;
            if (listen(descriptor, follow, json)) return true;
            if (!follow) {
                say("the service has ended");
                return false;
            }
            say("the service is gone; waiting for the next one");
        }
        if (connected) smmu_fini();
        poll(nullptr, 0, patience_ms);
    }
}

}  // namespace

void add_events(CLI::App& app, Invocation& invocation) {
    CLI::App* events = app.add_subcommand("events", "transgressions, as they come in");
    const auto follow = std::make_shared<bool>(false);
    events->add_flag("-f,--follow", *follow, "wait for more, also across a restart of the service");
    events->callback([&invocation, follow] {
        invocation.run = [&invocation, follow] { return print_events(*follow, invocation.json) ? contained : failed; };
    });
}

}  // namespace smmu::cli
