// SPDX-License-Identifier: Apache-2.0
// Fuzz: any bytes as an IORT table; then a survey of a machine with it. Whatever the table says, every stream is of a unit
// that is there, and every component has no more of them than the bound.
#include "firmware/iort.hpp"

#include <cstddef>
#include <cstdint>

#include "config/configuration.hpp"
#include "survey/survey.hpp"
#include "tests/fuzz/acpi_table.hpp"

namespace {

// Two functions of the first segment, and one of another.
smmu::topology::PciTree small_tree() {
    smmu::topology::PciTree tree;
    for (const smmu::topology::PciAddress address :
         {smmu::topology::PciAddress{0, 0, 3, 0}, smmu::topology::PciAddress{0, 1, 0, 0}, smmu::topology::PciAddress{3, 0, 0, 0}}) {
        smmu::topology::PciFunction function;
        function.address = address;
        tree.functions.push_back(function);
    }
    return tree;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto bytes = smmu::test::acpi_table(data, size, "IORT");
    const auto tree = small_tree();
    const auto configuration = smmu::config::defaults(smmu::config::Edition::plain);
    const auto topology = smmu::survey::survey({{{"IORT", bytes}}, tree, configuration, {}, {}, {}, {}});
    for (const smmu::topology::Device& device : topology.devices) {
        const bool is_component = std::holds_alternative<smmu::topology::AcpiName>(device.id);
        if (is_component && device.streams.size() > smmu::firmware::most_component_streams) __builtin_trap();
        for (const smmu::topology::Stream& stream : device.streams)
            if (raw(stream.unit) >= topology.units.size()) __builtin_trap();
    }
    return 0;
}
