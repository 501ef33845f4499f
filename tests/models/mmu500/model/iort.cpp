// SPDX-License-Identifier: Apache-2.0
// The I/O remapping table (DEN0049): SMMU nodes, then a named component for each engine.
#include <fmt/format.h>

#include "tests/models/common/model/acpi_table.hpp"
#include "tests/models/mmu500/model/firmware.hpp"

namespace smmu::model::mmu500 {
namespace {

constexpr unsigned smmu_node = 3, component_node = 1;
constexpr unsigned model_mmu500 = 3;
constexpr std::uint32_t coherent_walk = 2;
constexpr std::uint32_t single_mapping = 1;
constexpr std::uint64_t table_header = 48, node_header = 16;
constexpr std::uint32_t first_interrupt = 32;
constexpr std::uint32_t interrupts_of_a_unit = 256;

// Starts a node; the length and the place of its mappings are set when they are known.
std::size_t begin(AcpiTable& table, unsigned type, std::size_t mappings) {
    const std::size_t at = table.size();
    table.number(type, 1);
    table.number(0, 2);
    table.number(0, 1);
    table.number(0, 4);
    table.number(mappings, 4);
    table.number(0, 4);
    return at;
}

void end(AcpiTable& table, std::size_t at) {
    table.set(at + 1, table.size() - at, 2);
}

std::size_t add_unit(AcpiTable& table, const UnitFacts& unit, std::uint32_t index) {
    const std::size_t at = begin(table, smmu_node, 0);
    const std::uint32_t interrupt = first_interrupt + index * interrupts_of_a_unit;
    constexpr std::uint64_t globals = node_header + 44, contexts = globals + 16;
    const unsigned banks = unit.features.banks;
    table.number(unit.base, 8);
    table.number(unit.features.window_bytes(), 8);
    table.number(model_mmu500, 4);
    table.number(unit.features.coherent ? coherent_walk : 0, 4);
    table.number(globals, 4);
    table.number(banks, 4);
    table.number(contexts, 4);
    table.number(0, 4);  // PMU interrupts
    table.number(contexts + 8 * std::uint64_t{banks}, 4);
    for (unsigned i = 0; i < 2; ++i) table.number(interrupt, 8);  // faults, configuration faults
    for (unsigned i = 0; i < banks; ++i) table.number(interrupt + 1 + i, 8);
    end(table, at);
    return at;
}

void add_engine(AcpiTable& table, const EngineFacts& engine, std::size_t number, std::size_t unit) {
    const std::size_t at = begin(table, component_node, engine.streams.size());
    table.number(0, 4);  // flags
    table.number(1, 4);  // cache coherent
    table.number(0, 3);
    table.number(3, 1);   // coherent path to memory, device attributes not honoured
    table.number(48, 1);  // bits of its addresses
    table.text(fmt::format("\\_SB_.DMA{}", number));
    do table.number(0, 1);
    while ((table.size() - at) % 4 != 0);
    table.set(at + 12, table.size() - at, 4);
    for (std::size_t i = 0; i < engine.streams.size(); ++i) {
        table.number(i, 4);
        table.number(0, 4);  // one id
        table.number(engine.streams[i], 4);
        table.number(unit, 4);
        table.number(single_mapping, 4);
    }
    end(table, at);
}

}  // namespace

link::FirmwareTable iort(const MachineFacts& facts) {
    AcpiTable table("IORT");
    table.number(facts.units.size() + facts.engines.size(), 4);
    table.number(table_header, 4);
    table.number(0, 4);
    std::vector<std::size_t> units;
    for (std::size_t i = 0; i < facts.units.size(); ++i)
        units.push_back(add_unit(table, facts.units[i], std::uint32_t(i)));
    for (std::size_t i = 0; i < facts.engines.size(); ++i)
        add_engine(table, facts.engines[i], i, units[facts.engines[i].unit]);
    return table.finish();
}

}  // namespace smmu::model::mmu500
