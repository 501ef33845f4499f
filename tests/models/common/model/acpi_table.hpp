// SPDX-License-Identifier: Apache-2.0
// AcpiTable: an ACPI table while it is put together, little-endian.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "link/machine.hpp"

namespace smmu::model {

class AcpiTable {
public:
    explicit AcpiTable(std::string_view signature, unsigned revision = 1) {
        text(signature);
        number(0, 4);  // length, set at the end
        number(revision, 1);
        number(0, 1);  // checksum, likewise
        text("SMMUMNMODEL   ");
        number(1, 4);
        text("SMMU");
        number(1, 4);
    }
    void number(std::uint64_t value, unsigned bytes) {
        for (unsigned i = 0; i < bytes; ++i) bytes_.push_back(std::byte(value >> 8 * i & 0xff));
    }
    void text(std::string_view characters) {
        for (const char character : characters) number(std::uint8_t(character), 1);
    }
    void set(std::size_t at, std::uint64_t value, unsigned bytes) {
        for (unsigned i = 0; i < bytes; ++i) bytes_[at + i] = std::byte(value >> 8 * i & 0xff);
    }
    std::size_t size() const { return bytes_.size(); }
    link::FirmwareTable finish() {
        set(4, bytes_.size(), 4);
        unsigned sum = 0;
        for (const std::byte byte : bytes_) sum += unsigned(byte);
        set(9, 0u - sum, 1);
        return {{reinterpret_cast<const char*>(bytes_.data()), 4}, 0, bytes_};
    }

private:
    std::vector<std::byte> bytes_;
};

}  // namespace smmu::model
