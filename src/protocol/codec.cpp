// SPDX-License-Identifier: Apache-2.0
#include "protocol/codec.hpp"

#include <algorithm>
#include <cerrno>

#include "base/assert.hpp"

namespace smmu::protocol {

Checked<Header> decode_header(Bytes packet) {
    if (packet.size() < sizeof(Header)) return refuse(EPROTO, "packet is shorter than a header");
    const auto header = body_as<Header>(packet.first(sizeof(Header)));
    if (packet.size() > packet_limit || header.size != packet.size())
        return refuse(EPROTO, "packet is not as long as its header says");
    if (header.version != protocol_version)
        return refuse(
            EPROTO,
            "packet of another generation of the protocol; update library and service together");
    return header;
}

namespace {

bool all_zero(Bytes bytes) {
    return std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; });
}

}  // namespace

Checked<Request> decode_request(Bytes packet, std::size_t descriptors) {
    const Checked<Header> header = decode_header(packet);
    if (!header) return std::unexpected<Failure>(header.error());
    const Command* known = find_command(header->opcode);
    if (known == nullptr)
        return refuse(ENOSYS, "the service does not know this command; update it");
    const Bytes rest = packet.subspan(sizeof(Header));
    if (header->body_size < known->body_minimum || header->body_size > rest.size())
        return refuse(EINVAL, "request has too few bytes for its command");
    const Bytes body = rest.first(header->body_size);
    if (body.size() > known->body_known && !all_zero(body.subspan(known->body_known)))
        return refuse(EINVAL, "request uses a member that this service does not know; update it");
    const Bytes payload = rest.subspan(body.size());
    if (payload.size() > known->payload_maximum)
        return refuse(EINVAL, "request has more bytes than its command takes");
    if (descriptors < known->descriptors_minimum || descriptors > known->descriptors_maximum)
        return refuse(EINVAL, "request has a wrong number of descriptors");
    return Request{known, header->sequence, body, payload};
}

Checked<Reply> decode_reply(Bytes packet, std::size_t descriptors, Opcode opcode,
                            std::uint32_t sequence) {
    const Checked<Header> header = decode_header(packet);
    if (!header) return std::unexpected<Failure>(header.error());
    if (header->opcode != (std::uint16_t(opcode) | reply_bit) || header->sequence != sequence)
        return refuse(EPROTO, "the service answered another request");
    const Bytes rest = packet.subspan(sizeof(Header));
    if (header->body_size < sizeof(Outcome) || header->body_size > rest.size())
        return refuse(EPROTO, "the service's answer has a wrong size");
    const Bytes body = rest.first(header->body_size);
    const Bytes payload = rest.subspan(body.size());
    const auto outcome = body_as<Outcome>(body);
    if (outcome.error != 0) {
        const auto* text = reinterpret_cast<const char*>(payload.data());
        const int code = outcome.error < 4096 ? int(outcome.error) : EPROTO;
        return refuse(code, {text, std::min(payload.size(), text_limit)});
    }
    const Command* known = find_command(std::uint16_t(opcode));
    SMMU_ASSERT(known != nullptr);
    if (body.size() < known->reply_minimum)
        return refuse(EPROTO, "the service's answer is too short");
    if (descriptors != known->reply_descriptors)
        return refuse(EPROTO, "the service's answer has a wrong number of descriptors");
    return Reply{outcome, body, payload};
}

Bytes encode(std::span<std::byte> buffer, std::uint16_t opcode, std::uint32_t sequence, Bytes body,
             Bytes payload) {
    const std::size_t size = sizeof(Header) + body.size() + payload.size();
    SMMU_ASSERT(size <= packet_limit && size <= buffer.size());
    const Header header{std::uint32_t(size), opcode, protocol_version, sequence,
                        std::uint32_t(body.size())};
    const Bytes head = bytes_of(header);
    std::byte* place = std::copy(head.begin(), head.end(), buffer.data());
    place = std::copy(body.begin(), body.end(), place);
    std::copy(payload.begin(), payload.end(), place);
    return buffer.first(size);
}

Bytes encode_failure(std::span<std::byte> buffer, std::uint16_t opcode, std::uint32_t sequence,
                     int code, std::string_view text) {
    SMMU_ASSERT(code > 0);
    const Outcome outcome{-1, std::uint32_t(code)};
    const Bytes bytes = std::as_bytes(std::span(text.data(), std::min(text.size(), text_limit)));
    return encode(buffer, std::uint16_t(opcode | reply_bit), sequence, bytes_of(outcome), bytes);
}

}  // namespace smmu::protocol
