// SPDX-License-Identifier: Apache-2.0
// EventStream: refused accesses as any monitor gets them (libsmmu), from now on and across restarts of the service.
#pragma once

#include <string>

#include "report/status.hpp"

struct smmu_event;

namespace smmu::cli {

// Whoever reads the stream.
class EventReader {
public:
    virtual ~EventReader() = default;
    // `after_loss`: some before this one were lost.
    virtual void take(const report::Event& event, bool after_loss) = 0;
    // What became of the connection, in a sentence.
    virtual void hear(const std::string& text) = 0;
    // No more wait at this moment.
    virtual void rest() {}
};

enum class Follow {
    briefly,         // until nothing comes for a second
    every_service,   // for ever, once a service was met
    also_the_first,  // for ever, whether one is there or not
};

report::Event event_of(const smmu_event& event);
// Gives `reader` what comes. False, with a sentence to `reader`, when no service is there, lets this user listen, or
// goes on; with `also_the_first` it does not return.
bool read_events(EventReader& reader, Follow follow);

}  // namespace smmu::cli
