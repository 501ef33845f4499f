// SPDX-License-Identifier: Apache-2.0
// Deposit: descriptors that the holder keeps for the service, and a note for whoever gets them back.
#pragma once

#include <cstddef>
#include <vector>

#include "base/unique_fd.hpp"

namespace smmu::holder {

inline constexpr const char* default_socket = "/run/smmuman-holder/socket";

inline constexpr std::size_t longest_name = 31;
inline constexpr std::size_t largest_note = 16 * 1024;      // bytes
inline constexpr std::size_t most_descriptors = 512;        // of one deposit
inline constexpr std::size_t most_deposits = 65536;
inline constexpr std::size_t most_watchers = 16;

struct Deposit {
    std::vector<UniqueFd> descriptors;
    std::vector<std::byte> note;
};

}  // namespace smmu::holder
