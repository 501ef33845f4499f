// SPDX-License-Identifier: Apache-2.0
#include "cli/advice.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <map>

#include "base/access.hpp"
#include "base/range.hpp"
#include "cli/phrases.hpp"
#include "cli/reach.hpp"
#include "config/lines.hpp"
#include "topology/device_id.hpp"

namespace smmu::cli {

namespace {

constexpr unsigned page_log2 = 12;  // the smallest granule of every kind of unit

using Pages = std::map<std::uint64_t, Access>;  // by address

Access access_of(std::string_view letters) {
    Access access = Access::none;
    for (const char letter : letters)
        access |= letter == 'r' ? Access::read : letter == 'w' ? Access::write : Access::execute;
    return access;
}

struct Window {
    PhysRange range;
    Access access;
};

std::vector<Window> windows_of(const Pages& pages) {
    std::vector<Window> windows;
    for (const auto& [address, access] : pages) {
        const PhysRange page = PhysRange{{address}, {address}}.rounded_out(page_log2);
        Window* last = windows.empty() ? nullptr : &windows.back();
        if (last != nullptr && last->access == access && last->range.last.value + 1 == page.first.value)
            last->range.last = page.last;
        else
            windows.push_back({page, access});
    }
    return windows;
}

// What keeps a page closed for everybody but its owner; empty when nothing does.
std::string why_never(const report::Status& status, const report::Device& device, const report::Event& event) {
    const PhysRange page = PhysRange{{event.address}, {event.address}}.rounded_out(page_log2);
    const auto meets = [&](const auto& range) { return page.overlaps(PhysRange{{range.first}, {range.last}}); };
    for (const report::Protected& part : status.protected_memory)
        if (meets(part)) return part.what;
    for (const report::Device& other : status.devices)
        if (&other != &device && (other.intent == "host" || other.owner.pid != 0) && std::ranges::any_of(other.registers, meets))
            return "registers of " + other.id;
    return event.cause == "protected" ? "protected memory" : "";
}

// What one device was refused, sorted by what can be done about it.
class Sorting {
public:
    Sorting(const report::Status& status, const report::Device& device)
        : status_(status), device_(device), reach_(reach(status, device)) {
        for (const report::Event& event : status.refusals)
            if (is_about(event, device)) sort(event);
    }

    std::vector<Advice> advice() const {
        std::vector<Advice> all;
        if (configured_ != 0) all.push_back({device_.id, Advice::Kind::configuration, lines(), what_lines_open(), configured_});
        all.insert(all.end(), others_.begin(), others_.end());
        if (clients_ != 0) all.push_back({device_.id, Advice::Kind::client, {}, what_client_does(), clients_});
        return all;
    }

private:
    // Since it was refused the memory has been opened.
    bool allowed_now(const report::Event& event) const {
        return std::ranges::any_of(reach_, [&](const Opening& opening) {
            return event.address_known && opening.first <= event.address && event.address <= opening.last &&
                   permits(access_of(opening.access), access_of(event.access));
        });
    }
    void sort(const report::Event& event) {
        if (allowed_now(event)) return;
        const bool owned = event.owner.pid != 0 || device_.owner.pid != 0;
        if (event.cause == "unit-configuration")
            return add(Advice::Kind::service, cause_words(event) + ". Please report it with smmuctl --json status.", event);
        if (!event.address_known)
            return add(Advice::Kind::never, "The unit did not say which address was refused, so no line can be named.", event);
        if (const std::string what = why_never(status_, device_, event); !what.empty())
            return add(Advice::Kind::never,
                       fmt::format("Nothing allows {} at {:#x}: it is protected ({}). Correct the address that the device was given.",
                                   access_words(event.access), event.address, what),
                       event);
        if (event.cause == "in-change")
            return add(Advice::Kind::client, "Refused only while a grant was being changed: let the device rest meanwhile.", event);
        if (event.cause == "after-removal" || event.cause == "truncated")
            return add(Advice::Kind::client,
                       fmt::format("No line is missing for {} at {:#x}: {}. Its driver must be corrected.",
                                   access_words(event.access), event.address, cause_words(event)),
                       event);
        if (device_.intent == "blocked")
            return add(Advice::Kind::never,
                       fmt::format("The configuration says `blocked` for {}: refusing is intended. Take the word away first.", device_.id),
                       event);
        (owned ? clients_ : configured_) += event.count;
        Pages& pages = owned ? client_pages_ : pages_;
        pages[align_down(PhysAddr{event.address}, page_log2).value] |= access_of(event.access);
    }
    // Repeats of a sentence are counted.
    void add(Advice::Kind kind, const std::string& text, const report::Event& event) {
        const auto at = std::ranges::find(others_, text, &Advice::text);
        if (at != others_.end())
            at->refusals += event.count;
        else
            others_.push_back({device_.id, kind, {}, text, event.count});
    }

    std::string set_name() const {
        std::string name = "open_";
        for (const char letter : device_.id.substr(0, device_.id.find(',')))
            name += std::isalnum(static_cast<unsigned char>(letter)) != 0 ? letter : '_';
        return name;
    }
    std::vector<std::string> lines() const {
        std::vector<std::string> text;
        for (const Window& window : windows_of(pages_))
            text.push_back(config::allow_line(set_name(), window.range, window.access));
        const auto id = topology::parse_device_id(device_.id);
        if (const auto* known = std::get_if<topology::DeviceId>(&id)) text.push_back(config::device_line(*known, {set_name()}));
        return text;
    }
    std::string what_lines_open() const {
        std::string text = "They open for it, from the start of the service and whoever owns it:";
        for (const Window& window : windows_of(pages_))
            text += fmt::format("\n{}: {}", range_text(window.range.first.value, window.range.last.value),
                                access_words(letters(window.access)));
        std::string others;
        for (const report::Device* member : members(status_, device_.group))
            if (member != &device_) others += (others.empty() ? "" : ", ") + member->id;
        if (!others.empty()) text += "\nand for the rest of its group: " + others;
        return text + "\nA driver that claims the device and grants its own memory opens it for as long as it runs only.";
    }
    std::string what_client_does() const {
        const report::Owner& owner = device_.owner;
        std::string text = owner.pid != 0 ? fmt::format("It is owned by {}, which must grant the memory itself; no line is needed:", owner_text(owner))
                                          : std::string("It was owned by a program that has ended; its next owner must grant the memory itself:");
        for (const Window& window : windows_of(client_pages_))
            text += fmt::format("\nsmmu_mapping_add: {}, {}", range_text(window.range.first.value, window.range.last.value),
                                access_words(letters(window.access)));
        return text;
    }

    const report::Status& status_;
    const report::Device& device_;
    std::vector<Opening> reach_;
    Pages pages_, client_pages_;
    std::uint64_t configured_ = 0, clients_ = 0;
    std::vector<Advice> others_;
};

}  // namespace

const char* name(Advice::Kind kind) {
    switch (kind) {
        case Advice::Kind::configuration: return "configuration";
        case Advice::Kind::client: return "client";
        case Advice::Kind::never: return "never";
        case Advice::Kind::service: return "service";
    }
    return "";
}

std::vector<Advice> advise(const report::Status& status, const report::Device& device) {
    return Sorting(status, device).advice();
}

std::vector<Advice> advise(const report::Status& status) {
    std::vector<Advice> lines, others;
    std::vector<std::string> seen;
    for (const report::Event& event : status.refusals) {
        const report::Device* device = device_named(status, event.device);
        if (device == nullptr) {
            others.push_back({"-", Advice::Kind::never, {},
                              fmt::format("Stream {:#x} of {} belongs to no known device: write a device line for that "
                                          "function, then ask again.", event.stream, event.unit), event.count});
            continue;
        }
        if (std::ranges::find(seen, event.device) != seen.end()) continue;
        seen.push_back(event.device);
        for (Advice& one : advise(status, *device))
            (one.kind == Advice::Kind::configuration ? lines : others).push_back(std::move(one));
    }
    lines.insert(lines.end(), others.begin(), others.end());
    return lines;
}

}  // namespace smmu::cli
