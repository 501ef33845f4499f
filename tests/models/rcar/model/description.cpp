// SPDX-License-Identifier: Apache-2.0
#include "tests/models/rcar/model/description.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <stdexcept>

namespace smmu::model::rcar {
namespace {

using nlohmann::json;

const std::map<std::string, Domain> domains = {
    {"a3vp", Domain::a3vp}, {"a3vc", Domain::a3vc}, {"a3ir", Domain::a3ir}};

// Every member is known: nothing is passed over in silence.
void expect_only(const json& object, std::initializer_list<std::string_view> known) {
    for (const auto& [key, value] : object.items())
        if (std::ranges::find(known, key) == known.end())
            throw std::invalid_argument("'" + key + "' is not known");
}

MasterFacts master(const json& object, const Product& product) {
    expect_only(object, {"name", "base", "unit", "slots", "compatible"});
    MasterFacts master{.name = object.at("name").get<std::string>(),
                       .base = std::stoull(object.at("base").get<std::string>(), nullptr, 0),
                       .unit = object.at("unit").get<std::string>(),
                       .slots = object.at("slots").get<std::vector<unsigned>>(),
                       .compatible = object.value("compatible", "")};
    const auto unit = std::ranges::find(product.units, master.unit, &UnitFacts::name);
    if (unit == product.units.end())
        throw std::invalid_argument("there is no unit '" + master.unit + "'");
    for (const unsigned slot : master.slots)
        if (slot >= unit->slots)
            throw std::invalid_argument(fmt::format("'{}' has {} micro-TLBs, and none numbered {}",
                                                    unit->name, unit->slots, slot));
    return master;
}

MachineFacts facts(const json& object) {
    expect_only(object, {"about", "product", "memory_mib", "device_tree", "off", "flush_readings",
                         "never_flushes", "masters"});
    MachineFacts facts;
    const std::string name = object.at("product").get<std::string>();
    const std::optional<Product> known = product(name);
    if (!known) throw std::invalid_argument("there is no product '" + name + "'");
    facts.product = *known;
    facts.memory_mib = object.value("memory_mib", facts.memory_mib);
    facts.has_device_tree = object.value("device_tree", facts.has_device_tree);
    facts.behaviour.flush_readings = object.value("flush_readings", facts.behaviour.flush_readings);
    facts.behaviour.never_flushes = object.value("never_flushes", facts.behaviour.never_flushes);
    if (object.contains("off"))
        for (const json& item : object["off"])
            facts.off.push_back(domains.at(item.get<std::string>()));
    if (object.contains("masters"))
        for (const json& item : object["masters"])
            facts.product.masters.push_back(master(item, facts.product));
    return facts;
}

}  // namespace

Result<MachineFacts> load_facts(const std::string& path) {
    std::ifstream file(path);
    if (!file) return fail(ENOENT, fmt::format("{}: cannot be opened", path));
    try {
        MachineFacts read = facts(json::parse(file));
        read.name = std::filesystem::path(path).stem().string();
        return read;
    } catch (const std::exception& wrong) {
        return fail(EINVAL, fmt::format("{}: {}", path, wrong.what()));
    }
}

}  // namespace smmu::model::rcar
