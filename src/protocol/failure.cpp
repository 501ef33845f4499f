// SPDX-License-Identifier: Apache-2.0
#include "protocol/failure.hpp"

#include <cstring>

namespace smmu::protocol {

std::unexpected<Failure> refuse_errno(int code, std::string_view text) {
    // strerror is not promised to be safe with threads; strerrordesc_np gives constant text.
    const char* reason = strerrordesc_np(code);
    Failure failure{code, Sentence(text)};
    failure.text.append(": ").append(reason != nullptr ? reason : "unknown error");
    return std::unexpected<Failure>(failure);
}

}  // namespace smmu::protocol
