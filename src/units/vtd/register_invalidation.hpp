// SPDX-License-Identifier: Apache-2.0
// RegisterInvalidation: for units without a queue (the oldest ones): one request at a time by CCMD
// and IOTLB.
#pragma once

#include "units/vtd/hardware.hpp"
#include "units/vtd/invalidation.hpp"

namespace smmu::units::vtd {

class RegisterInvalidation final : public Invalidation {
public:
    explicit RegisterInvalidation(Hardware& hardware) : hardware_(hardware) {}
    Result<void> run(std::span<const Invalidate> requests) noexcept override;

private:
    Result<void> forget_contexts(const Invalidate& request);
    Result<void> forget_translations(const Invalidate& request);

    Hardware& hardware_;
};

}  // namespace smmu::units::vtd
