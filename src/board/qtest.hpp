// SPDX-License-Identifier: Apache-2.0
// Qtest: QEMU's line protocol for reading and writing registers from outside, as its only client.
#pragma once

#include <span>
#include <string>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "link/machine.hpp"

namespace smmu::board {

class Qtest {
public:
    explicit Qtest(UniqueFd socket) : socket_(std::move(socket)) {}

    // All commands go out at once and are answered in order. An error is final: answers could no
    // longer be told apart.
    Result<void> perform(std::span<const link::Operation> operations,
                         std::span<std::uint64_t> values);

private:
    Result<void> exchange_some(std::string_view& unsent, Instant deadline);
    // Takes the complete lines of `received_` as answers.
    Result<void> take_answers(std::span<const link::Operation> operations,
                              std::span<std::uint64_t> values, std::size_t& answered,
                              std::size_t& valued);

    UniqueFd socket_;
    std::string received_;  // not yet a whole line
};

}  // namespace smmu::board
