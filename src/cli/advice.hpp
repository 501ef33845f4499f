// SPDX-License-Identifier: Apache-2.0
// Advice: from refusals to what would allow them: lines of configuration, a call of the device's driver, or nothing and
// why. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "report/status.hpp"

namespace smmu::cli {

struct Advice {
    enum class Kind { configuration, client, never, service };

    std::string device;  // "-": no known device
    Kind kind = Kind::never;
    std::vector<std::string> lines;  // of configuration, to be pasted; only with Kind::configuration
    std::string text;                // what they open; what the client must do; why nothing may allow it
    std::uint64_t refusals = 0;      // accesses it is about
};

const char* name(Advice::Kind kind);  // "configuration", "client", "never", "service"

// In the order of the first refusal of each device; configuration first.
std::vector<Advice> advise(const report::Status& status);
// For one device.
std::vector<Advice> advise(const report::Status& status, const report::Device& device);

// A cause in a sentence, as in "refused: ...".
std::string cause_words(const report::Event& event);
// "write at 0x5000000, 3 times: ..."
std::string refusal_words(const report::Event& event);
// The same with the owner, if there is one.
std::string refusal_text(const report::Event& event);

}  // namespace smmu::cli
