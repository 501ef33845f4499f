// SPDX-License-Identifier: Apache-2.0
// Codec: packets to values and back. Foreign bytes are copied out after every size has been
// checked; nothing outside the packet is ever read, whatever it says.
#pragma once

#include <cstring>
#include <span>
#include <string_view>

#include "protocol/commands.hpp"
#include "protocol/failure.hpp"
#include "protocol/wire.hpp"

namespace smmu::protocol {

using Bytes = std::span<const std::byte>;

// What a packet consists of; the spans lie inside it.
struct Request {
    const Command* command;
    std::uint32_t sequence;
    Bytes body;
    Bytes payload;
};
struct Reply {
    Outcome outcome;  // error is 0
    Bytes body;
    Bytes payload;
};

// The header, once it agrees with the packet's length. A packet that fails here cannot be answered:
// its sender is not a client; end the connection.
Checked<Header> decode_header(Bytes packet);
// Header, opcode, sizes, tail and number of descriptors against the command table. A packet that
// has a good header and fails here is answered with the failure.
Checked<Request> decode_request(Bytes packet, std::size_t descriptors);
// The reply to the request `opcode`, `sequence`. The service's refusal comes as the Failure.
// EPROTO: the two sides do not understand each other.
Checked<Reply> decode_reply(Bytes packet, std::size_t descriptors, Opcode opcode,
                            std::uint32_t sequence);

// The body as the structure this program knows; what a shorter body lacks is zero.
template <class T>
T body_as(Bytes body) {
    static_assert(is_wire<T>);
    T value{};
    std::memcpy(&value, body.data(), body.size() < sizeof(T) ? body.size() : sizeof(T));
    return value;
}
template <class T>
Bytes bytes_of(const T& value) {
    static_assert(is_wire<T>);
    return std::as_bytes(std::span<const T, 1>(&value, 1));
}

// Writes a packet into `buffer`, which must hold packet_limit bytes, and returns it. The parts must
// fit.
Bytes encode(std::span<std::byte> buffer, std::uint16_t opcode, std::uint32_t sequence, Bytes body,
             Bytes payload);

template <class T>
Bytes encode_request(std::span<std::byte> buffer, Opcode opcode, std::uint32_t sequence,
                     const T& body, Bytes payload = {}) {
    return encode(buffer, std::uint16_t(opcode), sequence, bytes_of(body), payload);
}
// `body` begins with an Outcome whose error is 0.
template <class T>
Bytes encode_reply(std::span<std::byte> buffer, Opcode opcode, std::uint32_t sequence,
                   const T& body, Bytes payload = {}) {
    return encode(buffer, std::uint16_t(std::uint16_t(opcode) | reply_bit), sequence,
                  bytes_of(body), payload);
}
// A refusal; text beyond text_limit is cut. `opcode` as it stood in the request's header.
Bytes encode_failure(std::span<std::byte> buffer, std::uint16_t opcode, std::uint32_t sequence,
                     int code, std::string_view text);

}  // namespace smmu::protocol
