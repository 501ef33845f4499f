// SPDX-License-Identifier: Apache-2.0
// Request: what a device puts on the bus, and what a unit makes of it.
#pragma once

#include <cstdint>

namespace smmu::model::mmu500 {

// Never crosses a 4 KiB page.
struct Request {
    std::uint16_t stream = 0;
    std::uint64_t address = 0;
    bool write = false;
    bool privileged = false;
};

enum class Verdict : std::uint8_t {
    allowed,
    aborted,
    ignored,  // reads give zero, writes are lost, the device hears nothing of it
    stalled,  // until the driver resumes it
};

struct Outcome {
    Verdict verdict = Verdict::aborted;
    std::uint64_t address = 0;  // physical
    unsigned bank = 0;          // that stalls it
};

enum class Reason : std::uint8_t { translation, access_flag, permission, external, address_size };

// Why a walk came to nothing.
struct Fault {
    Reason reason = Reason::translation;
    unsigned level = 0;
    bool in_walk = false;  // of a table, not of what was asked for
    bool second = false;   // met in the second stage of two
    std::uint64_t ipa = 0;
};

}  // namespace smmu::model::mmu500
