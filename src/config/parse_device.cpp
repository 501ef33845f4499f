// SPDX-License-Identifier: Apache-2.0
// allow, device and limit: who may reach which memory.
#include <algorithm>

#include "config/options.hpp"
#include "config/parser.hpp"

namespace smmu::config {
namespace {

// The entry of an id, made by its first line.
DeviceEntry& entry_of(Parser& parser, const topology::DeviceId& id) {
    auto& devices = parser.configuration().devices;
    const auto at = std::ranges::find(devices, id, &DeviceEntry::id);
    if (at != devices.end()) return *at;
    devices.push_back({id, {}, {}, {}, {}, {}, {}, parser.option_origin()});
    return devices.back();
}

bool is_stream(const Word& word) {
    return word.text.front() >= '0' && word.text.front() <= '9';
}

bool parse_use(Parser& parser, DeviceEntry& device, const Word& clause) {
    const Word* unit = parser.need("the name of a unit behind use");
    if (unit == nullptr) return false;
    const auto name = parser.name(*unit, "the name of a unit");
    if (!name) return false;
    UseClause use{*name, std::nullopt, clause.position.origin()};
    if (const Word* next = parser.peek(); next != nullptr && is_stream(*next)) {
        use.stream = parser.number(*next, next->text, "a stream id or micro-TLB number");
        parser.take();
        if (!use.stream) return false;
    }
    parser.check_at_end(
        *unit, use.stream ? Parser::LaterCheck::unit_with_stream : Parser::LaterCheck::unit_alone);
    device.uses.push_back(std::move(use));
    return true;
}

bool parse_reserved(Parser& parser, DeviceEntry& device, const Word& clause) {
    const Word* word = parser.need("start,len[,perm] or none behind reserved");
    if (word == nullptr) return false;
    if (word->text == "none") {
        if (!device.reserved.empty()) {
            parser.error(*word, "the device also has a reserved range: expected one or the other");
            return false;
        }
        device.reserved_none = clause.position.origin();
        return true;
    }
    const auto window = parser.window(*word);
    if (!window) return false;
    if (device.reserved_none) {
        parser.error(*word, "the device also has reserved none: expected one or the other");
        return false;
    }
    device.reserved.push_back(*window);
    return true;
}

bool parse_clause(Parser& parser, DeviceEntry& device, const Word& word) {
    if (word.text == "use") return parse_use(parser, device, word);
    if (word.text == "reserved") return parse_reserved(parser, device, word);
    if (word.text == "host" || word.text == "blocked") {
        (word.text == "host" ? device.host : device.blocked) = word.position.origin();
        if (!device.host || !device.blocked) return true;
        parser.error(word, "host and blocked exclude each other");
        return false;
    }
    const auto name = parser.name(word, "the name of an allow set, use, reserved, host or blocked");
    if (!name) return false;
    device.allows.push_back({*name, word.position.origin()});
    parser.check_at_end(word, Parser::LaterCheck::allow_name);
    return true;
}

}  // namespace

bool parse_allow(Parser& parser) {
    const Word* name_word = parser.need("a name");
    if (name_word == nullptr) return false;
    const auto name = parser.name(*name_word, "a name");
    const Word* range_word = parser.need("start,len[,perm]");
    if (range_word == nullptr) return false;
    const auto window = parser.window(*range_word);
    if (!name || !window) return false;
    auto& sets = parser.configuration().allow_sets;
    auto at = std::ranges::find(sets, *name, &AllowSet::name);
    if (at == sets.end()) at = sets.insert(sets.end(), {*name, {}});
    at->windows.push_back(*window);
    return true;
}

bool parse_device(Parser& parser) {
    const Word* id_word = parser.need("a device id");
    if (id_word == nullptr) return false;
    const auto id = parser.device_id(*id_word);
    if (!id) return false;
    DeviceEntry& device = entry_of(parser, *id);
    bool sound = true;
    // A wrong clause is passed over, so that one run shows all of them.
    while (const Word* word = parser.take()) sound = parse_clause(parser, device, *word) && sound;
    return sound;
}

bool parse_limit(Parser& parser) {
    const Word* who_word = parser.need("user:NAME or group:NAME");
    if (who_word == nullptr) return false;
    const auto who = parser.who(*who_word);
    const Word* device_word = parser.need("a device id or any");
    if (device_word == nullptr) return false;
    LimitEntry limit{{}, std::nullopt, std::nullopt, parser.option_origin()};
    bool sound = who.has_value();
    if (sound) limit.who = *who;
    if (device_word->text != "any") {
        limit.device = parser.device_id(*device_word);
        sound = limit.device.has_value() && sound;
    }
    const Word* memory_word = parser.need("start,len[,perm] or any");
    if (memory_word == nullptr) return false;
    if (memory_word->text != "any") {
        limit.memory = parser.window(*memory_word);
        sound = limit.memory.has_value() && sound;
    }
    if (sound) parser.configuration().limits.push_back(std::move(limit));
    return sound;
}

}  // namespace smmu::config
