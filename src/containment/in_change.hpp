// SPDX-License-Identifier: Apache-2.0
// InChange: what was granted before and after a change and is refused while it is carried out, to
// tell such a refusal from an access that was never allowed. Known until everything refused meanwhile
// was drained.
#pragma once

#include <deque>

#include "base/range.hpp"

namespace smmu::containment {

class InChange {
public:
    static constexpr std::size_t kept = 4096;

    // Where there is no room, what is over goes first, then what came first.
    void add(IovaRange range) {
        if (parts_.size() == kept) forget_what_is_over();
        if (parts_.size() == kept) parts_.pop_front();
        parts_.push_back({range});
    }
    // Everything was carried out.
    void end() {
        for (Part& part : parts_) part.over = true;
        some_over_ = !parts_.empty();
    }
    void forget_what_is_over() {
        if (some_over_) std::erase_if(parts_, [](const Part& part) { return part.over; });
        some_over_ = false;
    }
    bool holds(Iova address) const {
        for (const Part& part : parts_)
            if (part.range.contains(address)) return true;
        return false;
    }
    std::size_t size() const { return parts_.size(); }

private:
    struct Part {
        IovaRange range;
        bool over = false;
    };
    std::deque<Part> parts_;
    bool some_over_ = false;
};

}  // namespace smmu::containment
