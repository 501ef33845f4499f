// SPDX-License-Identifier: Apache-2.0
#include "firmware/tree_findings.hpp"

#include <fmt/format.h>

namespace smmu::firmware {

std::vector<topology::Finding> TreeFindings::take() {
    if (left_out_ != 0)
        findings_.push_back({"dtb-more-findings", topology::Severity::error, {"dtb"},
                             fmt::format("{} more findings are left out.", left_out_)});
    return std::move(findings_);
}

}  // namespace smmu::firmware
