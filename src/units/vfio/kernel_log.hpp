// SPDX-License-Identifier: Apache-2.0
// KernelLog: what the kernel's IOMMU drivers write into its log of refused accesses, as values. Text in, values out; only
// records of the kernel itself count, whoever else writes into the log cannot take its facility.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "units/unit.hpp"

namespace smmu::units::vfio {

struct LoggedRefusal {
    std::optional<std::uint16_t> segment;  // nothing: the driver does not say
    std::uint16_t requester = 0;           // bus, device and function; of an SMMU the low bits of the stream
    Refusal refusal;                       // without its stream
};

// What one more record means.
struct Logged {
    std::optional<LoggedRefusal> refusal;
    std::uint64_t suppressed = 0;  // refusals that the kernel says it left out
};

class KernelLog {
public:
    // The next record, as /dev/kmsg words it.
    Logged take(std::string_view record);

private:
    Logged take_smmu_line(std::string_view text);

    // Of an SMMU's event, which comes in several records: its driver's words for itself, and the words so far.
    std::string speaker_;
    unsigned words_ = 0;
    std::array<std::uint64_t, 4> event_{};
};

}  // namespace smmu::units::vfio
