// SPDX-License-Identifier: Apache-2.0
#include "tests/models/vtd/model/firmware.hpp"

#include <algorithm>
#include <set>

#include "tests/models/common/model/acpi_table.hpp"

namespace smmu::model::vtd {
namespace {

class Table : public AcpiTable {
public:
    using AcpiTable::AcpiTable;
    std::size_t begin_record(unsigned type) {
        const std::size_t at = size();
        number(type, 2);
        number(0, 2);
        return at;
    }
    void end_record(std::size_t at) { set(at + 2, size() - at, 2); }
    void scopes(const std::vector<ScopeFacts>& scopes) {
        for (const ScopeFacts& scope : scopes) {
            number(scope.below ? 2 : 1, 1);
            number(6 + 2 * scope.path.size(), 1);
            number(0, 3);  // flags, reserved, enumeration id
            number(scope.start_bus, 1);
            for (const auto& [device, function] : scope.path) {
                number(device, 1);
                number(function, 1);
            }
        }
    }
};

link::FirmwareTable dmar(const MachineFacts& facts) {
    Table table("DMAR");
    const auto remaps = [](const UnitFacts& unit) { return unit.features.interrupt_remapping; };
    table.number(facts.host_bits - 1, 1);
    table.number(std::ranges::all_of(facts.units, remaps), 1);
    table.number(0, 8);
    table.number(0, 2);
    for (const UnitFacts& unit : facts.units) {
        const std::size_t at = table.begin_record(0);
        table.number(unit.takes_all, 1);
        table.number(0, 1);
        table.number(unit.segment, 2);
        table.number(unit.base, 8);
        table.scopes(unit.scopes);
        table.end_record(at);
    }
    for (const ReservedFacts& reserved : facts.reserved) {
        const std::size_t at = table.begin_record(1);
        table.number(0, 2);
        table.number(reserved.segment, 2);
        table.number(reserved.first, 8);
        table.number(reserved.last, 8);
        table.scopes(reserved.scopes);
        table.end_record(at);
    }
    if (std::ranges::any_of(facts.units, [](const auto& u) { return u.features.device_tlb; })) {
        const std::size_t at = table.begin_record(2);
        table.number(1, 1);  // all ports
        table.number(0, 1);
        table.number(0, 2);
        table.end_record(at);
    }
    return table.finish();
}

link::FirmwareTable mcfg(const MachineFacts& facts) {
    std::set<std::uint16_t> segments;
    for (const FunctionFacts& function : facts.functions) segments.insert(function.segment);
    Table table("MCFG");
    table.number(0, 8);
    for (const std::uint16_t segment : segments) {
        table.number(config_base(segment), 8);
        table.number(segment, 2);
        table.number(0, 1);
        table.number(255, 1);
        table.number(0, 4);
    }
    return table.finish();
}

}  // namespace

std::vector<link::FirmwareTable> firmware_tables(const MachineFacts& facts) {
    return {dmar(facts), mcfg(facts)};
}

}  // namespace smmu::model::vtd
