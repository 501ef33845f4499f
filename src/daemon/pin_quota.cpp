// SPDX-License-Identifier: Apache-2.0
#include "daemon/pin_quota.hpp"

#include <fmt/format.h>

namespace smmu::daemon {

namespace {

constexpr std::uint64_t descriptors_per_user = 4096;  // of 65536 that the service may have, by its unit

}  // namespace

platform::PinCost pin_limit(std::span<const PhysRange> ram) {
    std::uint64_t bytes = 0;
    for (const PhysRange& range : ram) bytes += range.length();
    return {bytes - bytes / 4, descriptors_per_user};
}

PinQuota::Share::~Share() {
    if (!book_) return;
    const auto held = book_->held.find(user_);
    held->second.bytes -= cost_.bytes;
    held->second.descriptors -= cost_.descriptors;
    if (held->second.bytes == 0 && held->second.descriptors == 0) book_->held.erase(held);
}

Result<void> PinQuota::check(uid_t user, platform::PinCost more) const {
    const auto at = book_->held.find(user);
    const platform::PinCost held = at == book_->held.end() ? platform::PinCost{} : at->second;
    const platform::PinCost limit = book_->limit;
    if (more.bytes > limit.bytes - held.bytes)
        return fail(EDQUOT, fmt::format("user {} has {} MiB held in place, and may have {}: {} more are too much; remove grants first", user,
                                        held.bytes >> 20, limit.bytes >> 20, more.bytes >> 20));
    if (more.descriptors > limit.descriptors - held.descriptors)
        return fail(EDQUOT, fmt::format("user {} has memory held in place in {} pieces, and may have {}; grant larger pieces, or remove some "
                                        "first", user, held.descriptors, limit.descriptors));
    return {};
}

Result<PinQuota::Share> PinQuota::take(uid_t user, platform::PinCost more) {
    SMMU_CHECK(check(user, more));
    platform::PinCost& held = book_->held[user];
    held.bytes += more.bytes;
    held.descriptors += more.descriptors;
    return Share(book_, user, more);
}

}  // namespace smmu::daemon
