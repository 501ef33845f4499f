// SPDX-License-Identifier: Apache-2.0
// Result: a value, or an Error that says what went wrong and what to do about it.
#pragma once

#include <cerrno>
#include <expected>
#include <string>
#include <utility>

namespace smmu {

// `code` is an errno value: it is what a client of the C library gets. `text` is one sentence for a
// person: where, what, and what to do.
struct Error {
    int code = EIO;
    std::string text;
};

template <class T = void>
using Result = std::expected<T, Error>;

[[nodiscard]] inline std::unexpected<Error> fail(int code, std::string text) {
    return std::unexpected<Error>(Error{code, std::move(text)});
}

// Hands an error of one Result on to another type of Result.
template <class T>
[[nodiscard]] std::unexpected<Error> pass_on(std::expected<T, Error>&& failed) {
    return std::unexpected<Error>(std::move(failed).error());
}

}  // namespace smmu

#define SMMU_JOIN_(a, b) a##b
#define SMMU_JOIN(a, b) SMMU_JOIN_(a, b)

// SMMU_TRY(auto x, f()): declares x from a Result, or returns its error.
#define SMMU_TRY(declaration, expression) SMMU_TRY_(declaration, expression, SMMU_JOIN(tried_, __LINE__))
#define SMMU_TRY_(declaration, expression, name)        \
    auto name = (expression);                           \
    if (!name) return ::smmu::pass_on(std::move(name)); \
    declaration = *std::move(name)

// SMMU_CHECK(f()): returns the error of a Result whose value, if any, is not wanted.
#define SMMU_CHECK(expression)                                              \
    do {                                                                    \
        if (auto checked = (expression); !checked)                          \
            return ::smmu::pass_on(std::move(checked));                     \
    } while (false)
