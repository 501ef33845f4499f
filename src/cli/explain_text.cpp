// SPDX-License-Identifier: Apache-2.0
#include "cli/explain_text.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "cli/phrases.hpp"
#include "cli/reach.hpp"
#include "cli/table.hpp"

namespace smmu::cli {

namespace {

constexpr std::size_t last_refusals = 8;

std::string state_words(const report::Device& device) {
    if (device.state == "contained") return "contained: it reaches what is listed below and nothing else";
    if (device.state == "blocked" && device.intent == "blocked") return "blocked, as the configuration wants: it reaches nothing";
    if (device.state == "blocked") return "blocked: it reaches nothing, because nobody owns it and nothing is open for it";
    if (device.state == "host") return "host: NOT CONTAINED, the host's kernel drives it and it reaches all but protected memory";
    if (device.state == "not contained") return "NOT CONTAINED: its unit is not programmed, and it reaches everything";
    if (device.state == "gone") return "gone: it was there once, and refuses until it is back and somebody has it";
    if (device.state == "failed") return "failed: its unit did not confirm a change and was stopped; see smmuctl units";
    return "behind no unit: NOT CONTAINED, no unit sees its DMA and it reaches everything";
}

std::string heading(const char* text, Style style) {
    return style.colour ? fmt::format("\n\x1b[1m{}\x1b[0m\n", text) : fmt::format("\n{}\n", text);
}

std::string indented(const std::string& text, const std::string& before) {
    std::string out = before;
    for (const char letter : text) {
        out += letter;
        if (letter == '\n') out += before + "  ";
    }
    return out + '\n';
}

std::string facts(const report::Status& status, const report::Device& device) {
    std::string text = fmt::format("{}  {}  {}\n", device.id, device.qnx_id == device.id ? "" : device.qnx_id, device.description);
    text.erase(text.find_last_not_of(" \n") + 1);
    text += fmt::format("\n  state      {}\n  owner      {}\n", state_words(device),
                        device.owner.pid == 0 ? "nobody" : fmt::format("{}, uid {}", owner_text(device.owner), device.owner.uid));
    std::string others;
    for (const report::Device* member : members(status, device.group))
        if (member != &device) others += (others.empty() ? "" : ", ") + member->id;
    text += fmt::format("  group      {}, {}\n", device.group, others.empty() ? "alone" : "together with " + others);
    if (const auto reason = group_reason(status, device.group); !reason.empty()) text += fmt::format("             because {}\n", reason);
    for (const report::Stream& stream : device.streams)
        text += stream.cache.empty()
                    ? fmt::format("  stream     {:#06x} of {}  [{}]\n", stream.id, stream.unit, stream.origin)
                    : fmt::format("  micro-TLB  {} of {}, cache unit of {}  [{}]\n", stream.id, stream.cache, stream.unit, stream.origin);
    for (const report::Range& range : device.registers) text += fmt::format("  registers  {}\n", range_text(range.first, range.last));
    return text + fmt::format("  known by   {}\n", device.origin);
}

std::string reaches(const report::Status& status, const report::Device& device, Style style) {
    std::string text = heading("Reaches now", style);
    const auto openings = reach(status, device);
    if (openings.empty()) return text + "  " + open_text(status, device) + "\n";
    Table table({"  DEVICE ADDRESSES", "PHYSICAL", "ACCESS", "WHY", "SAID BY"});
    for (const Opening& opening : openings)
        table.add({"  " + range_text(opening.first, opening.last),
                   opening.physical == opening.first ? "same" : fmt::format("{:#x}", opening.physical), opening.access,
                   opening.why, opening.origin});
    text += table.text();
    if (const report::Object* object = object_of(status, device); object != nullptr && object->mappings_left_out != 0)
        text += fmt::format("  and {} more grants that one document does not hold\n", object->mappings_left_out);
    if (const report::Object* object = object_of(status, device); object != nullptr && object->exposed_by_rounding != 0)
        text += fmt::format("  and {} beside the grants, because units open whole pages\n", exact_amount(object->exposed_by_rounding));
    return text;
}

std::string what_lost(const report::Status& status, const report::Device& device, Style style) {
    std::string text;
    for (const report::FirmwareGrant& grant : device.grants)
        if (!grant.honoured)
            text += fmt::format("  {} {} stays closed  [{}]\n", grant.kind, range_text(grant.first, grant.last), grant.origin);
    for (const report::Superseded& lost : status.superseded)
        if (is_about(lost, device)) text += fmt::format("  {}  [{}] lost against {}\n", lost.fact, lost.origin, lost.by);
    for (const report::Finding& finding : status.findings)
        if (finding.text.find(device.id) != std::string::npos)
            text += fmt::format("  {}: {}  [{}, {}]\n", finding.severity, finding.text, finding.id, finding.origin);
    return text.empty() ? "" : heading("Not taken as found", style) + text;
}

std::string refused(const report::Status& status, const report::Device& device, Style style) {
    std::vector<const report::Event*> own;
    for (const report::Event& event : status.refusals)
        if (is_about(event, device)) own.push_back(&event);
    if (device.refused == 0 && own.empty()) return heading("Refused", style) + "  nothing so far\n";
    std::string text = heading("Refused", style);
    text += fmt::format("  {}{}\n", counted(device.refused, "access", "accesses"), own.empty() ? "; which ones only a user with the ability monitor is told" : ", the last ones:");
    for (std::size_t i = own.size() - std::min(own.size(), last_refusals); i < own.size(); ++i)
        text += "  " + refusal_words(*own[i]) + "\n";
    return text;
}

}  // namespace

std::string suggest_text(std::span<const Advice> advice) {
    if (advice.empty()) return "# Nothing was refused that a line could allow.\n";
    std::string text;
    for (const Advice& one : advice) {
        if (!text.empty()) text += '\n';
        const std::string who = one.device == "-" ? "An unknown device" : one.device;
        text += fmt::format("# {}: {} refused.\n", who, counted(one.refusals, "access was", "accesses were"));
        for (const std::string& line : one.lines) text += line + '\n';
        text += indented(one.text, "# ");
    }
    return text;
}

std::string explain_text(const report::Status& status, const report::Device& device, Style style) {
    std::string text = facts(status, device) + reaches(status, device, style) + what_lost(status, device, style) +
                       refused(status, device, style);
    const auto advice = advise(status, device);
    if (!advice.empty()) text += heading("What would allow it", style) + suggest_text(advice);
    return text;
}

}  // namespace smmu::cli
