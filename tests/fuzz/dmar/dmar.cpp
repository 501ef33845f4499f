// SPDX-License-Identifier: Apache-2.0
// Fuzz: any bytes as a DMAR table; then a survey of it.
#include <cstddef>
#include <cstdint>

#include "config/configuration.hpp"
#include "firmware/dmar.hpp"
#include "survey/survey.hpp"
#include "tests/fuzz/acpi_table.hpp"

namespace {

// A port, a device below it, and one beside: enough for paths to lead somewhere.
smmu::topology::PciTree small_tree() {
    smmu::topology::PciTree tree;
    smmu::topology::PciFunction port;
    port.address = {0, 0, 1, 0};
    port.type = smmu::topology::PcieType::root_port;
    port.is_bridge = true;
    port.secondary = port.subordinate = 1;
    smmu::topology::PciFunction below;
    below.address = {0, 1, 0, 0};
    smmu::topology::PciFunction beside;
    beside.address = {0, 0, 3, 0};
    tree.functions = {port, beside, below};
    return tree;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto bytes = smmu::test::acpi_table(data, size, "DMAR");
    const auto tree = small_tree();
    const auto configuration = smmu::config::defaults(smmu::config::Edition::plain);
    (void)smmu::survey::survey({{{"DMAR", bytes}}, tree, configuration, {}, {}, {}, {}});
    return 0;
}
