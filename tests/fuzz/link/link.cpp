// SPDX-License-Identifier: Apache-2.0
// Fuzz: any bytes as each packet of the board protocol, as the board reads them and as its clients do. What
// is accepted means the same after it was written and read again.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "link/codec.hpp"

namespace {

using namespace smmu::link;
using Bytes = std::span<const std::byte>;

void demand(bool holds) {
    if (!holds) std::abort();
}

Packet encoded(const Request& request) {
    switch (request.kind) {
        case Kind::operate: return encode_operate(request.operations);
        case Kind::tap: return encode_tap(request.range);
        case Kind::resume: return encode_resume(request.sequence, request.fate);
        default: return encode_request(request.kind);
    }
}

void as_request(Bytes packet) {
    const auto request = decode_request(packet);
    if (!request) return;
    demand(request->operations.size() <= max_operations);
    const auto again = decode_request(encoded(*request));
    demand(again.has_value() && again->kind == request->kind && again->operations == request->operations &&
           again->range == request->range && again->sequence == request->sequence && again->fate == request->fate);
}

void as_answer(Bytes packet) {
    (void)decode_header(packet);
    std::array<std::uint64_t, max_operations> values{};
    for (const std::size_t count : {std::size_t{0}, std::size_t{1}, packet.size() / sizeof(std::uint64_t)})
        (void)decode_values(packet, std::span(values).first(std::min(count, values.size())));
    if (const auto machine = decode_machine(packet)) {
        const Packet written = encode_machine(*machine);
        const auto again = decode_machine(written);
        demand(again.has_value() && encode_machine(*again) == written);
    }
    if (const auto stop = decode_stop(packet)) {
        const Packet written = encode_stop(*stop);
        const auto again = decode_stop(written);
        demand(again.has_value() && encode_stop(*again) == written);
    }
}

void as_tables(Bytes file) {
    const auto tables = decode_tables(file);
    if (!tables) return;
    const Packet written = encode_tables(*tables);
    const auto again = decode_tables(written);
    demand(again.has_value() && encode_tables(*again) == written);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const Bytes bytes = std::as_bytes(std::span(data, size));
    as_request(bytes);
    as_answer(bytes);
    as_tables(bytes);
    return 0;
}
