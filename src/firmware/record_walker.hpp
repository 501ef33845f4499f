// SPDX-License-Identifier: Apache-2.0
// RecordWalker: goes over records of type and length. The only walker of firmware tables: it always
// advances by what a record's own header takes at least, so a length of zero cannot hold it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/byte_reader.hpp"

namespace smmu::firmware {

// How a record begins: type, then length, each of so many bytes.
struct RecordShape {
    unsigned type_bytes;
    unsigned length_bytes;
    constexpr std::size_t header() const { return type_bytes + length_bytes; }
};

inline constexpr RecordShape structure_shape{2, 2};  // DMAR structures
inline constexpr RecordShape scope_shape{1, 1};      // DMAR device scopes

struct Record {
    std::uint32_t type;
    std::size_t offset;  // from the start of the table
    ByteReader bytes;    // the whole record, its header too
};

enum class WalkFault : std::uint8_t { none, header_cut, length_too_small, past_end };
std::string_view describe(WalkFault fault);

class RecordWalker {
public:
    // Walks `area`, which begins `offset` bytes into the table.
    RecordWalker(ByteReader area, std::size_t offset, RecordShape shape)
        : area_(area), offset_(offset), shape_(shape) {}

    // The next record; nothing at the end and at a fault, which ends the walk.
    std::optional<Record> next();
    WalkFault fault() const { return fault_; }
    // Where the walk stands, from the start of the table: at the record that is at fault.
    std::size_t position() const { return offset_ + at_; }

private:
    std::uint32_t number(std::size_t at, unsigned bytes) const;

    ByteReader area_;
    std::size_t offset_;
    RecordShape shape_;
    std::size_t at_ = 0;
    WalkFault fault_ = WalkFault::none;
};

}  // namespace smmu::firmware
