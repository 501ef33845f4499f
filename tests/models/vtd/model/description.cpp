// SPDX-License-Identifier: Apache-2.0
#include "tests/models/vtd/model/description.hpp"

#include <cstdio>

#include "tests/models/common/model/json.hpp"

namespace smmu::model::vtd {
namespace {

using nlohmann::json;

const Numbers<Features> numbers = {{"major", &Features::major},
                                   {"minor", &Features::minor},
                                   {"sagaw", &Features::sagaw},
                                   {"mgaw", &Features::mgaw},
                                   {"domain_bits", &Features::domain_bits},
                                   {"fault_registers", &Features::fault_registers},
                                   {"fault_offset", &Features::fault_offset},
                                   {"large_pages", &Features::large_pages},
                                   {"mamv", &Features::mamv},
                                   {"iotlb_offset", &Features::iotlb_offset},
                                   {"pasid_bits", &Features::pasid_bits}};

const Switches<Features> switches = {{"page_selective", &Features::page_selective},
                                     {"caching_mode", &Features::caching_mode},
                                     {"write_buffer", &Features::write_buffer},
                                     {"low_protected", &Features::low_protected},
                                     {"high_protected", &Features::high_protected},
                                     {"srtp_invalidates", &Features::srtp_invalidates},
                                     {"sirtp_invalidates", &Features::sirtp_invalidates},
                                     {"drains", &Features::drains},
                                     {"first_stage_1g", &Features::first_stage_1g},
                                     {"first_stage_5", &Features::first_stage_5},
                                     {"coherent", &Features::coherent},
                                     {"queued", &Features::queued},
                                     {"device_tlb", &Features::device_tlb},
                                     {"interrupt_remapping", &Features::interrupt_remapping},
                                     {"x2apic", &Features::x2apic},
                                     {"pass_through", &Features::pass_through},
                                     {"snoop_control", &Features::snoop_control},
                                     {"scalable", &Features::scalable},
                                     {"first_stage", &Features::first_stage},
                                     {"second_stage", &Features::second_stage},
                                     {"nested", &Features::nested},
                                     {"walk_snoop", &Features::walk_snoop},
                                     {"abort_mode", &Features::abort_mode},
                                     {"rid_pasid", &Features::rid_pasid}};

const std::map<std::string, Kind> kinds = {{"host_bridge", Kind::host_bridge},
                                           {"edu", Kind::edu},
                                           {"ats_edu", Kind::ats_edu},
                                           {"root_port", Kind::root_port},
                                           {"pci_bridge", Kind::pci_bridge}};

std::vector<ScopeFacts> scopes(const json& list) {
    std::vector<ScopeFacts> scopes;
    for (const json& item : list) {
        std::string text = item.get<std::string>();
        ScopeFacts scope;
        constexpr std::string_view below = "below ";
        scope.below = text.starts_with(below);
        if (scope.below) text.erase(0, below.size());
        unsigned bus = 0;
        int read = 0;
        if (std::sscanf(text.c_str(), "%x:%n", &bus, &read) != 1 || read == 0)
            throw std::invalid_argument("'" + text + "' is no scope");
        scope.start_bus = std::uint8_t(bus);
        for (const char* at = text.c_str() + read; *at != 0;) {
            unsigned device = 0;
            unsigned function = 0;
            if (std::sscanf(at, "%x.%x%n", &device, &function, &read) != 2)
                throw std::invalid_argument("'" + text + "' is no scope");
            scope.path.emplace_back(device, function);
            at += read;
            if (*at == '/') ++at;
        }
        scopes.push_back(scope);
    }
    return scopes;
}

UnitFacts unit(const json& object) {
    expect_only(object, {"base", "segment", "takes_all", "scopes", "features", "acknowledge_delay",
                         "never_acknowledged", "collapses_faults"});
    UnitFacts unit;
    if (object.contains("base")) unit.base = number(object["base"]);
    unit.segment = object.value("segment", unit.segment);
    unit.takes_all = object.value("takes_all", false);
    if (object.contains("scopes")) unit.scopes = scopes(object["scopes"]);
    if (object.contains("features"))
        unit.features = read_members(object["features"], numbers, switches);
    unit.behaviour.acknowledge_delay = object.value("acknowledge_delay", 0u);
    unit.behaviour.collapses_faults = object.value("collapses_faults", false);
    if (object.contains("never_acknowledged"))
        unit.behaviour.never_acknowledged = std::uint32_t(number(object["never_acknowledged"]));
    return unit;
}

FunctionFacts function(const json& object) {
    expect_only(object, {"at", "kind", "segment", "secondary"});
    FunctionFacts function;
    unsigned bus = 0;
    unsigned device = 0;
    unsigned number = 0;
    const std::string at = object.at("at").get<std::string>();
    if (std::sscanf(at.c_str(), "%x:%x.%x", &bus, &device, &number) != 3)
        throw std::invalid_argument("'" + at + "' is no function");
    function.bus = std::uint8_t(bus);
    function.device = std::uint8_t(device);
    function.function = std::uint8_t(number);
    function.segment = object.value("segment", function.segment);
    function.secondary = object.value("secondary", function.secondary);
    function.kind = kinds.at(object.at("kind").get<std::string>());
    return function;
}

MachineFacts facts(const json& object) {
    expect_only(object, {"about", "memory_mib", "host_bits", "units", "reserved", "functions"});
    MachineFacts facts;
    facts.memory_mib = object.value("memory_mib", facts.memory_mib);
    facts.host_bits = object.value("host_bits", facts.host_bits);
    for (const json& item : object.at("units")) facts.units.push_back(unit(item));
    if (object.contains("functions")) {
        facts.functions.clear();
        for (const json& item : object["functions"]) facts.functions.push_back(function(item));
    }
    if (object.contains("reserved"))
        for (const json& item : object["reserved"]) {
            expect_only(item, {"segment", "first", "last", "scopes"});
            facts.reserved.push_back({item.value("segment", std::uint16_t{0}),
                                      number(item.at("first")), number(item.at("last")),
                                      scopes(item.at("scopes"))});
        }
    return facts;
}

}  // namespace

Result<MachineFacts> load_facts(const std::string& path) {
    return load_description(path, facts);
}

}  // namespace smmu::model::vtd
