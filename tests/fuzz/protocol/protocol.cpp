// SPDX-License-Identifier: Apache-2.0
// Fuzz: any bytes as a client's request, and as the service's reply to each command.
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "protocol/codec.hpp"
#include "protocol/entries.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace smmu::protocol;
    if (size == 0) return 0;
    const std::size_t descriptors = data[0] % (descriptors_per_packet + 1);
    const Bytes packet = std::as_bytes(std::span(data + 1, size - 1));

    if (const auto request = decode_request(packet, descriptors)) {
        const Descriptors none;
        if (request->command->opcode == Opcode::mapping) {
            if (const auto count = count_entries(*request, none)) {
                std::vector<Entry> entries(*count);
                (void)read_entries(*request, none, entries);
            }
        }
    }
    for (const Command& command : commands) (void)decode_reply(packet, descriptors, command.opcode, 1);
    return 0;
}
