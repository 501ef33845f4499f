// SPDX-License-Identifier: Apache-2.0
// Fuzz: any bytes as an MADT table. Whatever it says, a page through which devices raise interrupts is never one that they
// must not reach by the same record.
#include "firmware/madt.hpp"

#include <cstddef>
#include <cstdint>

#include "tests/fuzz/acpi_table.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto bytes = smmu::test::acpi_table(data, size, "APIC");
    const auto madt = smmu::firmware::parse_madt(bytes);
    if (!madt) return 0;
    for (const smmu::firmware::TranslationService& service : madt->services)
        for (const smmu::firmware::GicFrame& frame : madt->frames)
            if (frame.origin.text == service.origin.text && frame.range.overlaps(service.doorbell)) __builtin_trap();
    return 0;
}
