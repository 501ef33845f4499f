// SPDX-License-Identifier: Apache-2.0
// Failure: an errno value and one bounded sentence. The client library is linked into C programs
// and must not need the C++ run-time library, so this room carries text in place instead of in
// std::string. result.hpp turns a Failure into the Error of base for the service.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <expected>
#include <string_view>

#include "protocol/limits.hpp"

namespace smmu::protocol {

// Text of at most text_limit - 1 bytes; what does not fit is cut. Always ends with a zero.
class Sentence {
public:
    constexpr Sentence() = default;
    constexpr explicit Sentence(std::string_view text) { append(text); }

    constexpr Sentence& append(std::string_view text) {
        const std::size_t room = characters_.size() - 1 - length_;
        const std::size_t taken = std::min(room, text.size());
        std::copy_n(text.data(), taken, characters_.data() + length_);
        length_ += taken;
        characters_[length_] = '\0';
        return *this;
    }
    constexpr std::string_view view() const { return {characters_.data(), length_}; }
    constexpr const char* c_str() const { return characters_.data(); }

private:
    std::array<char, text_limit> characters_{};
    std::size_t length_ = 0;
};

struct Failure {
    int code;
    Sentence text;
};

template <class T = void>
using Checked = std::expected<T, Failure>;

[[nodiscard]] constexpr std::unexpected<Failure> refuse(int code, std::string_view text) {
    return std::unexpected<Failure>(Failure{code, Sentence(text)});
}
// "text: strerror(code)"
[[nodiscard]] std::unexpected<Failure> refuse_errno(int code, std::string_view text);

}  // namespace smmu::protocol
