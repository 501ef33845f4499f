// SPDX-License-Identifier: Apache-2.0
// MadtBytes: an MADT of an Arm machine made by hand, structure by structure.
#pragma once

#include <cstdint>
#include <vector>

#include "tests/unit/firmware/acpi_bytes.hpp"

namespace smmu::test {

class MadtBytes : public AcpiBytes {
public:
    MadtBytes() : AcpiBytes("APIC", 44) {}
    MadtBytes& distributor(std::uint64_t base, unsigned version) {
        number(0x0c, 1), number(24, 1), number(0, 6), number(base, 8), number(0, 4), number(version, 1), number(0, 3);
        return *this;
    }
    MadtBytes& cpu(std::uint64_t interface, std::uint64_t redistributor) {
        number(0x0b, 1), number(80, 1), number(0, 30), number(interface, 8), number(0, 20), number(redistributor, 8), number(0, 12);
        return *this;
    }
    MadtBytes& redistributors(std::uint64_t base, std::uint32_t bytes) {
        number(0x0e, 1), number(16, 1), number(0, 2), number(base, 8), number(bytes, 4);
        return *this;
    }
    MadtBytes& its(std::uint32_t id, std::uint64_t base) {
        number(0x0f, 1), number(20, 1), number(0, 2), number(id, 4), number(base, 8), number(0, 4);
        return *this;
    }
    MadtBytes& message_frame(std::uint32_t id, std::uint64_t base) {
        number(0x0d, 1), number(24, 1), number(0, 2), number(id, 4), number(base, 8), number(0, 8);
        return *this;
    }
    MadtBytes& raw(std::vector<unsigned> values) {
        for (const unsigned value : values) number(value, 1);
        return *this;
    }
};

}  // namespace smmu::test
