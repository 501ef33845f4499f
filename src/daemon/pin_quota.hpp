// SPDX-License-Identifier: Apache-2.0
// PinQuota: how much memory this service holds in place for each user, and with how many descriptors. Held memory outlives who
// gave it until no device reaches it, so nobody may have all of it.
#pragma once

#include <sys/types.h>

#include <map>
#include <memory>
#include <span>

#include "base/range.hpp"
#include "base/result.hpp"
#include "platform/platform.hpp"

namespace smmu::daemon {

// For a machine with this memory: three quarters of it, since a user that runs guests has most of a machine; and descriptors so
// that several users fit into what the service and the holder may have open.
platform::PinCost pin_limit(std::span<const PhysRange> ram);

class PinQuota {
    struct Book {
        platform::PinCost limit;  // of each user
        std::map<uid_t, platform::PinCost> held;
    };

public:
    // Of one user, for some memory; given back by its end.
    class Share {
    public:
        Share(Share&&) noexcept = default;
        Share& operator=(Share&&) = delete;
        ~Share();

    private:
        friend class PinQuota;
        Share(std::shared_ptr<Book> book, uid_t user, platform::PinCost cost) : book_(std::move(book)), user_(user), cost_(cost) {}

        std::shared_ptr<Book> book_;  // memory may be let go after the quota is gone; none: moved from
        uid_t user_;
        platform::PinCost cost_;
    };

    explicit PinQuota(platform::PinCost limit) : book_(std::make_shared<Book>(Book{limit, {}})) {}

    // EDQUOT when the user would have more than the limit.
    Result<void> check(uid_t user, platform::PinCost more) const;
    Result<Share> take(uid_t user, platform::PinCost more);

private:
    std::shared_ptr<Book> book_;
};

}  // namespace smmu::daemon
