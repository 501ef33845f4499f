// SPDX-License-Identifier: Apache-2.0
#include "cli/event_stream.hpp"

#include <poll.h>
#include <smmu.h>
#include <smmu_ext.h>

#include <array>
#include <cerrno>
#include <string_view>

#include "base/access.hpp"
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

// False when the connection is gone.
bool take_waiting(EventReader& reader) {
    std::array<smmu_event, 64> events;
    for (;;) {
        events[0].size = sizeof(smmu_event);
        const int count = smmu_event_read(events.data(), unsigned(events.size()));
        if (count < 0) return false;
        for (std::size_t i = 0; i < std::size_t(count); ++i)
            reader.take(event_of(events[i]), (events[i].flags & SSF_DROPPED_FAULTS) != 0);
        reader.rest();
        if (count == 0) return true;
    }
}

// Takes until nothing comes within the patience (or for ever). False when the service is gone.
bool take_from(EventReader& reader, int descriptor, bool for_ever) {
    pollfd waiting{.fd = descriptor, .events = POLLIN, .revents = 0};
    for (;;) {
        if (!take_waiting(reader)) return false;
        const int ready = poll(&waiting, 1, patience_ms);
        if (ready < 0 && errno != EINTR) return false;
        if (ready == 0 && !for_ever) return true;
    }
}

// Says the same sentence once, however often it is met.
class Remarks {
public:
    explicit Remarks(EventReader& reader) : reader_(reader) {}
    void say(std::string_view text) {
        if (text == last_) return;
        last_ = text;
        reader_.hear(last_);
    }

private:
    EventReader& reader_;
    std::string last_;
};

}  // namespace

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

bool read_events(EventReader& reader, Follow follow) {
    Remarks remarks(reader);
    for (bool met = false;;) {
        const bool connected = smmu_init(0) == 0;
        const int descriptor = connected ? smmu_event_fd() : -1;
        if (descriptor >= 0) {
            if (follow != Follow::briefly)
                remarks.say(met ? "a new instance of the service is there; its numbers begin at 1" : "listening");
            met = true;
            if (take_from(reader, descriptor, follow != Follow::briefly)) return true;
            if (follow == Follow::briefly) {
                remarks.say("the service has ended");
                return false;
            }
            remarks.say("the service is gone; waiting for the next one");
        } else if (!met || (connected && errno != ENOTCONN)) {
            remarks.say(smmu_strerror_last());
            if (follow != Follow::also_the_first) return false;
        }
        if (connected) smmu_fini();
        poll(nullptr, 0, patience_ms);
    }
}

}  // namespace smmu::cli
