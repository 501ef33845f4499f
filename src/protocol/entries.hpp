// SPDX-License-Identifier: Apache-2.0
// Entries: the list of ranges of a mapping request. Short lists travel inside the packet, long ones
// in a memfd that its maker has sealed, so that it cannot change or shrink while it is read.
#pragma once

#include <span>

#include "base/unique_fd.hpp"
#include "protocol/connection.hpp"

namespace smmu::protocol {

// A memfd that holds `bytes`, sealed against any change, to be read from its beginning: for the
// client a long list of entries, for the service the JSON text of a view.
Checked<UniqueFd> seal(Bytes bytes);

// For the service: MappingRequest::count of `request`, once it agrees with payload and descriptors.
// E2BIG above entries_limit.
Checked<std::uint32_t> count_entries(const Request& request, const Descriptors& descriptors);
// Then copies them; `entries` has exactly that many elements. EINVAL when the memfd is not sealed
// or too short.
Checked<> read_entries(const Request& request, const Descriptors& descriptors,
                       std::span<Entry> entries);

}  // namespace smmu::protocol
