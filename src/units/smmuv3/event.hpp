// SPDX-License-Identifier: Apache-2.0
// Event: one record of the event queue (IHI 0070, 7.3) and what it means.
#pragma once

#include <array>
#include <optional>

#include "units/unit.hpp"

namespace smmu::units::smmuv3 {

inline constexpr std::size_t event_words = 4;
using Event = std::array<std::uint64_t, event_words>;

// Nothing for a record that tells of no refused access (E_PAGE_REQUEST).
std::optional<Refusal> refusal_of(const Event& event);

}  // namespace smmu::units::smmuv3
