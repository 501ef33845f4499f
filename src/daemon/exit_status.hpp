// SPDX-License-Identifier: Apache-2.0
// ExitStatus: what the service's exit says to whoever started it (smmuman(8), EXIT STATUS).
#pragma once

#include <expected>
#include <string>
#include <utility>

namespace smmu::daemon {

enum class ExitStatus : int { fine = 0, internal = 1, configuration = 2, hardware = 3, not_contained = 4 };

// Why the service cannot start or go on.
struct Stop {
    ExitStatus status;
    std::string text;
};

template <class T>
using Started = std::expected<T, Stop>;

inline std::unexpected<Stop> stop(ExitStatus status, std::string text) {
    return std::unexpected(Stop{status, std::move(text)});
}

}  // namespace smmu::daemon
