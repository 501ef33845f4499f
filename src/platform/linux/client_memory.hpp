// SPDX-License-Identifier: Apache-2.0
// ClientMemory: a client's file of huge pages, held in place, here and by the holder: when service and client die together,
// hardware can reach the memory until the next service has taken the units over.
#pragma once

#include <memory>

#include "platform/linux/client_deposits.hpp"
#include "platform/linux/host_files.hpp"
#include "platform/platform.hpp"

namespace smmu::platform::linux {

// EINVAL: not a sealed memfd of huge pages, one with holes, or beyond its end. E2BIG: more than 16 GiB. EAGAIN: its pages are given
// back and taken anew all the time.
Result<std::unique_ptr<PinnedMemory>> pin_client_memory(const HostFiles& files, std::shared_ptr<ClientDeposits> deposits, UniqueFd memory,
                                                        std::uint64_t offset, std::uint64_t length);

}  // namespace smmu::platform::linux
