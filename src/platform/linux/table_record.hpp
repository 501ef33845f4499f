// SPDX-License-Identifier: Apache-2.0
// TableRecord: where table memory of this boot's services lies or lay, in a file that outlives them. A unit that walks there
// walks tables of ours, even when the memory itself cannot be had again.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "memory/arena.hpp"

namespace smmu::platform::linux {

struct TablePlace {
    PhysRange range;
    bool set_aside = false;  // reserved when the machine started; else huge pages that the holder keeps
    friend bool operator==(const TablePlace&, const TablePlace&) = default;
};

inline constexpr std::size_t most_table_places = 16;

// The last one comes last. Nothing for a text of another boot, or one that is no record.
std::vector<TablePlace> table_places_in(std::string_view text, const memory::BootIdentity& boot);
std::string table_record_of(const std::vector<TablePlace>& places, const memory::BootIdentity& boot);

// What the file says; a file that is not there says nothing.
std::vector<TablePlace> recorded_tables(const std::string& path, const memory::BootIdentity& boot);
// Makes `place` the last one; the oldest beyond the limit above goes.
Result<void> record_tables(const std::string& path, const memory::BootIdentity& boot, TablePlace place);

}  // namespace smmu::platform::linux
