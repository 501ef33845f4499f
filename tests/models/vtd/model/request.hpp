// SPDX-License-Identifier: Apache-2.0
// Request: what a device puts on the bus, and what a unit makes of it.
#pragma once

#include <cstdint>
#include <optional>

namespace smmu::model::vtd {

enum class AddressType : std::uint8_t { untranslated = 0, translation = 1, translated = 2 };

// Never crosses a 4 KiB page.
struct Request {
    std::uint16_t source = 0;  // bus:device.function
    std::uint64_t address = 0;
    bool write = false;
    AddressType type = AddressType::untranslated;
    std::optional<std::uint32_t> pasid = std::nullopt;
    bool no_snoop = false;
    bool privileged = false;
    bool execute = false;
};

// Why a request was refused (VT-d 5.10, 7.1). Qualified reasons are not recorded where FPD is set.
struct Fault {
    std::uint8_t reason = 0;
    bool qualified = false;
};

struct Outcome {
    bool allowed = false;
    std::uint64_t address = 0;  // physical
    bool snooped = true;
    // Of a translation request: what the device may do with the page.
    bool read = false;
    bool write = false;
    std::uint8_t reason = 0;  // of a refusal
    bool interrupt = false;   // not memory: the write is an interrupt message
};

}  // namespace smmu::model::vtd
