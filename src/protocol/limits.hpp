// SPDX-License-Identifier: Apache-2.0
// Limits: every bound of the conversation between library and service, in one place.
#pragma once

#include <cstddef>
#include <cstdint>

namespace smmu::protocol {

inline constexpr const char* default_socket = "/run/smmuman/smmuman.sock";
inline constexpr std::uint16_t protocol_version = 1;

inline constexpr std::size_t packet_limit = 32 * 1024;  // bytes of one packet, header included
inline constexpr std::size_t descriptors_per_packet =
    4;                                              // received at most; a command wants 0 or 1
inline constexpr std::size_t text_limit = 256;      // bytes of the sentence of a failure

inline constexpr std::uint32_t inline_entries = 1024;  // ranges inside a packet; more go by memfd
inline constexpr std::uint32_t entries_limit = 1'048'576;  // ranges of one call
inline constexpr std::uint32_t reserved_per_reply = 512;   // reserved regions in one reply
inline constexpr std::uint32_t events_per_reply = 64;      // records in one reply
inline constexpr std::size_t unit_name_limit = 256;     // bytes of a unit's name
inline constexpr std::uint32_t groups_limit = 1024;        // supplementary groups of a peer

}  // namespace smmu::protocol
