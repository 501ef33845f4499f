// SPDX-License-Identifier: Apache-2.0
#include "tests/models/mmu500/model/description.hpp"

#include "tests/models/common/model/json.hpp"

namespace smmu::model::mmu500 {
namespace {

using nlohmann::json;

const Numbers<Features> numbers = {{"match_groups", &Features::match_groups},
                                   {"stream_bits", &Features::stream_bits},
                                   {"mask_bits", &Features::mask_bits},
                                   {"banks", &Features::banks},
                                   {"stage2_banks", &Features::stage2_banks},
                                   {"input_bits", &Features::input_bits},
                                   {"output_bits", &Features::output_bits},
                                   {"major", &Features::major},
                                   {"minor", &Features::minor}};

const Switches<Features> switches = {{"stage1", &Features::stage1},
                                     {"stage2", &Features::stage2},
                                     {"nested", &Features::nested},
                                     {"stream_matching", &Features::stream_matching},
                                     {"conflict_detection", &Features::conflict_detection},
                                     {"extended_ids", &Features::extended_ids},
                                     {"large_pages", &Features::large_pages},
                                     {"coherent", &Features::coherent},
                                     {"wide_vmid", &Features::wide_vmid},
                                     {"granule_4k", &Features::granule_4k},
                                     {"granule_16k", &Features::granule_16k},
                                     {"granule_64k", &Features::granule_64k}};

const Numbers<Behaviour> delays = {{"sync_delay", &Behaviour::sync_delay}};

const Switches<Behaviour> habits = {{"never_syncs", &Behaviour::never_syncs},
                                    {"cache_locked", &Behaviour::cache_locked},
                                    {"no_wide_access", &Behaviour::no_wide_access},
                                    {"undefined_reset", &Behaviour::undefined_reset},
                                    {"live", &Behaviour::live}};

const std::map<std::string, Firmware> firmwares = {{"dtb", Firmware::device_tree},
                                                   {"iort", Firmware::iort}};

// What the registers cannot say is no unit.
void check(const Features& features) {
    const auto expect = [](bool holds, const char* what) {
        if (!holds) throw std::invalid_argument(what);
    };
    expect(features.stage1 || features.stage2, "a unit has a stage");
    expect(!features.nested || (features.stage1 && features.stage2), "nesting takes both stages");
    expect(features.banks >= 1 && features.banks <= 128, "1 to 128 banks");
    expect(features.stage2_banks <= features.banks, "stage2_banks are some of the banks");
    expect(features.match_groups >= 1 && features.match_groups <= 128, "1 to 128 match_groups");
    expect(features.stream_bits >= 1 && features.stream_bits <= 15, "1 to 15 stream_bits");
    expect(features.stream_matching || features.stream_bits <= 7, "an index has at most 7 bits");
    expect(features.mask_bits <= 16, "at most 16 mask_bits");
    for (const unsigned bits : {features.input_bits, features.output_bits})
        expect(bits == 32 || bits == 36 || bits == 40 || bits == 42 || bits == 44 || bits == 48,
               "input_bits and output_bits are 32, 36, 40, 42, 44 or 48");
}

UnitFacts unit(const json& object) {
    expect_only(object, {"base", "features", "behaviour"});
    UnitFacts unit;
    if (object.contains("base")) unit.base = number(object["base"]);
    if (object.contains("features"))
        unit.features = read_members(object["features"], numbers, switches);
    if (object.contains("behaviour"))
        unit.behaviour = read_members(object["behaviour"], delays, habits);
    // A unit of one stage that says nothing of nesting has none.
    const json& features = object.value("features", json::object());
    if (!features.contains("nested"))
        unit.features.nested = unit.features.stage1 && unit.features.stage2;
    check(unit.features);
    return unit;
}

EngineFacts engine(const json& object, std::size_t units) {
    expect_only(object, {"base", "unit", "streams"});
    EngineFacts engine;
    engine.base = number(object.at("base"));
    engine.unit = object.value("unit", engine.unit);
    if (engine.unit >= units) throw std::invalid_argument("an engine of no unit");
    for (const json& stream : object.at("streams"))
        engine.streams.push_back(std::uint16_t(number(stream)));
    return engine;
}

MachineFacts facts(const json& object) {
    expect_only(object, {"about", "memory_mib", "firmware", "units", "engines"});
    MachineFacts facts;
    facts.memory_mib = object.value("memory_mib", facts.memory_mib);
    if (object.contains("firmware"))
        facts.firmware = firmwares.at(object["firmware"].get<std::string>());
    if (object.contains("units")) {
        facts.units.clear();
        for (const json& item : object["units"]) facts.units.push_back(unit(item));
    }
    if (object.contains("engines")) {
        facts.engines.clear();
        for (const json& item : object["engines"])
            facts.engines.push_back(engine(item, facts.units.size()));
    }
    return facts;
}

}  // namespace

Result<MachineFacts> load_facts(const std::string& path) {
    return load_description(path, facts);
}

}  // namespace smmu::model::mmu500
