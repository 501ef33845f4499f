// SPDX-License-Identifier: Apache-2.0
// Fuzz: any bytes as an MCFG table.
#include "firmware/mcfg.hpp"

#include <cstddef>
#include <cstdint>

#include "tests/fuzz/acpi_table.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto bytes = smmu::test::acpi_table(data, size, "MCFG");
    (void)smmu::firmware::parse_mcfg(bytes);
    return 0;
}
