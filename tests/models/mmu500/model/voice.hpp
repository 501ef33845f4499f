// SPDX-License-Identifier: Apache-2.0
// Voice: in which a unit complains, under its own name.
#pragma once

#include <string>
#include <utility>

#include "tests/models/common/model/complaints.hpp"

namespace smmu::model::mmu500 {

class Voice {
public:
    Voice(Complaints& complaints, std::string name)
        : complaints_(complaints), name_(std::move(name)) {}
    void operator()(const std::string& what) const { complaints_.add(name_ + ": " + what); }

private:
    Complaints& complaints_;
    std::string name_;
};

}  // namespace smmu::model::mmu500
