// SPDX-License-Identifier: Apache-2.0
// Result: a Failure of this room as the Error that the service's other rooms use.
#pragma once

#include <string>

#include "base/result.hpp"
#include "protocol/failure.hpp"

namespace smmu::protocol {

inline Error to_error(const Failure& failure) {
    return Error{failure.code, std::string(failure.text.view())};
}

}  // namespace smmu::protocol
