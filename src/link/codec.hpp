// SPDX-License-Identifier: Apache-2.0
// Codec: values to packets and back. Everything that decodes looks at foreign bytes and refuses
// what is not exactly right: a packet of another length, an unknown kind, a field that must be zero
// and is not.
#pragma once

#include <span>
#include <vector>

#include "base/result.hpp"
#include "link/machine.hpp"
#include "link/wire.hpp"

namespace smmu::link {

using Packet = std::vector<std::byte>;

// A request as the board sees it; only the members of its kind mean something.
struct Request {
    Kind kind = Kind::hello;
    std::uint32_t version = 0;          // hello
    std::vector<Operation> operations;  // operate
    PhysRange range{};                  // tap
    std::uint64_t sequence = 0;         // resume
    Fate fate = Fate::go_on;            // resume
};

Packet encode_request(Kind kind);  // ram, tables, claim, shut_down, and hello with our version
Packet encode_operate(std::span<const Operation> operations);  // at most max_operations
Packet encode_tap(PhysRange range);
Packet encode_resume(std::uint64_t sequence, Fate fate);
Result<Request> decode_request(std::span<const std::byte> packet);

// Nothing when the bytes are too few for a header.
std::optional<WireHeader> decode_header(std::span<const std::byte> packet);

// `status` is an errno value; `count` as the kind says.
Packet encode_answer(Kind kind, int status = 0, std::uint32_t count = 0);
Packet encode_values(std::span<const std::uint64_t> values);
// EPROTO unless the packet holds exactly values.size() values.
Result<void> decode_values(std::span<const std::byte> packet, std::span<std::uint64_t> values);
Packet encode_machine(const MachineDescription& machine);
Result<MachineDescription> decode_machine(std::span<const std::byte> packet);
Packet encode_stop(const Stop& stop);
Result<Stop> decode_stop(std::span<const std::byte> packet);

// The contents of the firmware tables' file.
Packet encode_tables(std::span<const FirmwareTable> tables);
Result<std::vector<FirmwareTable>> decode_tables(std::span<const std::byte> file);

}  // namespace smmu::link
