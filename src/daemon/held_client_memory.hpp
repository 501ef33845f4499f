// SPDX-License-Identifier: Apache-2.0
// HeldClientMemory: what the platform pinned, as containment holds it.
#pragma once

#include <memory>

#include "containment/held_memory.hpp"
#include "daemon/pin_quota.hpp"
#include "platform/platform.hpp"

namespace smmu::daemon {

class HeldClientMemory final : public containment::HeldMemory {
public:
    HeldClientMemory(std::unique_ptr<platform::PinnedMemory> pinned, PinQuota::Share share)
        : share_(std::move(share)), pinned_(std::move(pinned)) {}
    std::span<const PhysRange> extents() const noexcept override { return pinned_->extents(); }

private:
    PinQuota::Share share_;
    std::unique_ptr<platform::PinnedMemory> pinned_;
};

}  // namespace smmu::daemon
