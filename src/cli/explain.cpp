// SPDX-License-Identifier: Apache-2.0
// Explain and suggest: the subcommands that say why something was refused and what would allow it.
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/advice.hpp"
#include "cli/explain_text.hpp"
#include "cli/phrases.hpp"
#include "cli/reach.hpp"
#include "cli/status_source.hpp"
#include "cli/subcommands.hpp"
#include "topology/device_id.hpp"

namespace smmu::cli {

namespace {

using nlohmann::json;
using topology::DeviceId;

bool same(const DeviceId& known, const DeviceId& asked) {
    const auto* block = std::get_if<topology::MmioBlock>(&asked);
    const auto* known_block = std::get_if<topology::MmioBlock>(&known);
    return known == asked || (block != nullptr && known_block != nullptr && block->length == 0 && block->base == known_block->base);
}

// ENOENT: no such device; EINVAL: not a device's name.
Result<std::size_t> find_device(const report::Status& status, const std::string& name) {
    auto asked = topology::parse_device_id(name);
    if (std::holds_alternative<topology::DeviceIdError>(asked))  // "00:03.0", as lspci prints it for the first segment
        if (const auto with_segment = topology::parse_device_id("0000:" + name); std::holds_alternative<DeviceId>(with_segment))
            asked = with_segment;
    if (const auto* wrong = std::get_if<topology::DeviceIdError>(&asked)) return fail(EINVAL, name + ": " + wrong->text);
    for (std::size_t i = 0; i < status.devices.size(); ++i) {
        const auto known = topology::parse_device_id(status.devices[i].id);
        const auto* id = std::get_if<DeviceId>(&known);
        if (id != nullptr && same(*id, std::get<DeviceId>(asked))) return i;
    }
    return fail(ENOENT, "no device " + name + " is known; smmuctl devices lists those that are");
}

json json_of(std::span<const Advice> advice) {
    json list = json::array();
    for (const Advice& one : advice)
        list.push_back({{"device", one.device}, {"kind", name(one.kind)}, {"lines", one.lines}, {"text", one.text}, {"refusals", one.refusals}});
    return list;
}

// The elements of a list of the document that are about the device, as they stand there.
template <class Element>
json elements_about(const json& list, const std::vector<Element>& read, const report::Device& device) {
    json own = json::array();
    for (std::size_t i = 0; i < read.size(); ++i)
        if (is_about(read[i], device)) own.push_back(list.at(i));
    return own;
}

std::string explain_json(const StatusDocument& read, std::size_t index) {
    const report::Device& device = read.status.devices[index];
    const json whole = json::parse(read.text);  // which from_json has accepted
    json reaches = json::array();
    for (const Opening& opening : reach(read.status, device))
        reaches.push_back({{"first", opening.first}, {"last", opening.last}, {"physical", opening.physical},
                           {"access", opening.access}, {"why", opening.why}, {"origin", opening.origin}});
    const json answer = {{"schema", 1},
                         {"device", whole.at("devices").at(index)},
                         {"reaches", reaches},
                         {"superseded", elements_about(whole.value("superseded", json::array()), read.status.superseded, device)},
                         {"refusals", elements_about(whole.value("refusals", json::array()), read.status.refusals, device)},
                         {"suggestions", json_of(advise(read.status, device))}};
    return answer.dump(2) + '\n';
}

int finish(const std::string& text, const report::Status& status) {
    std::fputs(text.c_str(), stdout);
    return report::all_contained(status) ? contained : not_contained;
}

int explain(const Invocation& invocation, const std::string& name) {
    const auto read = read_status(invocation.from);
    if (!read) return complain(read.error().text);
    const auto index = find_device(read->status, name);
    if (!index) return complain(index.error().text);
    return finish(invocation.json ? explain_json(*read, *index)
                                  : explain_text(read->status, read->status.devices[*index], style_of_output()), read->status);
}

int suggest(const Invocation& invocation) {
    const auto read = read_status(invocation.from);
    if (!read) return complain(read.error().text);
    const auto advice = advise(read->status);
    return finish(invocation.json ? json{{"schema", 1}, {"suggestions", json_of(advice)}}.dump(2) + '\n' : suggest_text(advice),
                  read->status);
}

}  // namespace

void add_explain(CLI::App& app, Invocation& invocation) {
    CLI::App* explains = app.add_subcommand("explain", "one device: every fact, what it reaches and why, what was refused and what would allow it");
    const auto device = std::make_shared<std::string>();
    explains->add_option("device", *device, "0000:00:03.0, 00:03.0, pci:0:3.0 or mem:ADDRESS")->required();
    explains->callback([&invocation, device] {
        invocation.run = [&invocation, device] { return explain(invocation, *device); };
    });
}

void add_suggest(CLI::App& app, Invocation& invocation) {
    app.add_subcommand("suggest", "the smallest configuration lines that would allow what was refused")->callback([&invocation] {
        invocation.run = [&invocation] { return suggest(invocation); };
    });
}

}  // namespace smmu::cli
