// SPDX-License-Identifier: Apache-2.0
// Phrases: facts of the status in the words that all views share. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "report/status.hpp"

namespace smmu::cli {

// Characters, not bytes: what a text takes in a terminal.
std::size_t columns_of(std::string_view text);
// At most `columns` characters, the last of them "…" when something is missing.
std::string cut(std::string_view text, std::size_t columns);

// "4 KiB", "5000 bytes": exact, in the largest unit that is.
std::string exact_amount(std::uint64_t bytes);
// "1 access", "3 accesses"
std::string counted(std::uint64_t number, std::string_view one, std::string_view many);
// "0x1000-0x1fff (4 KiB)"
std::string range_text(std::uint64_t first, std::uint64_t last);
// "edu_driver (pid 712) object 3"; "-" for nobody.
std::string owner_text(const report::Owner& owner);
// "read", "write", "read and write", ... of "r", "w", "rw"
std::string access_words(std::string_view letters);

// Bytes that are open for a device, by why they are.
struct Opened {
    std::uint64_t startup = 0, reserved = 0, doorbell = 0, granted = 0;
};
Opened opened(const report::Status& status, const report::Device& device);
// "startup 64 KiB, reserved 1 MiB, grants 2 MiB"; "nothing"; "everything" for a device that nothing contains.
std::string open_text(const report::Status& status, const report::Device& device);

// Whether a fact that lost says something of this device: of itself or of a unit its DMA goes through.
bool is_about(const report::Superseded& lost, const report::Device& device);
bool is_about(const report::Event& refusal, const report::Device& device);

// nullptr when there is none.
const report::Object* object_of(const report::Status& status, const report::Device& device);
const report::Device* device_named(const report::Status& status, std::string_view id);
std::string_view group_reason(const report::Status& status, std::uint32_t group);
std::vector<const report::Device*> members(const report::Status& status, std::uint32_t group);
// Position of a unit of that name; units.size() when there is none.
std::size_t unit_index(const report::Status& status, std::string_view name);
// "U0 0018 +1": the number of the unit, the first stream and how many more; "no unit".
// Of a stream: hexadecimal, or a micro-TLB behind its cache unit.
std::string stream_number(const report::Stream& stream);
std::string unit_tag(const report::Status& status, const report::Device& device);

}  // namespace smmu::cli
