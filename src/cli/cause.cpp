// SPDX-License-Identifier: Apache-2.0
// Causes of refusals in plain words.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "cli/advice.hpp"
#include "cli/phrases.hpp"

namespace smmu::cli {

namespace {

struct Words {
    const char* cause;
    const char* text;
};

constexpr std::array causes{
    Words{"unit-configuration", "the service's own tables are wrong; this is a fault of smmuman"},
    Words{"unknown-stream", "no known device has this stream"},
    Words{"not-attached", "nobody owns the device, and nothing is open for it there"},
    Words{"protected", "this memory is protected: no mapping of any origin may reach it"},
    Words{"permission", "the memory is granted, but not for this kind of access"},
    Words{"in-change", "the grant was being changed at that moment; it was open before and is again"},
    Words{"after-removal", "the grant was removed and the device still used it"},
    Words{"overrun", "right next to a grant: the device went past the end of its memory, or began before it"},
    Words{"truncated", "the low half of a granted address: a register of 32 bits was given an address above 4 GiB"},
    Words{"never-granted", "its owner never granted this address"},
    Words{"device-gone", "nothing was refused: the device has vanished and left its object"},
};

}  // namespace

std::string cause_words(const report::Event& event) {
    const auto at = std::ranges::find_if(causes, [&](const Words& words) { return event.cause == words.cause; });
    std::string text = at != causes.end() ? at->text : event.cause;
    if (event.cause == "after-removal") text += fmt::format(", {} µs later", event.since_removal_us);
    return text;
}

std::string refusal_words(const report::Event& event) {
    std::string text = access_words(event.access);
    text += event.address_known ? fmt::format(" at {:#x}", event.address) : " at an address the unit did not say";
    if (event.count > 1) text += fmt::format(", {} times", event.count);
    return text + ": " + cause_words(event);
}

std::string refusal_text(const report::Event& event) {
    return refusal_words(event) + (event.owner.pid != 0 ? fmt::format(" (owner {})", owner_text(event.owner)) : "");
}

}  // namespace smmu::cli
