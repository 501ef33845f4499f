// SPDX-License-Identifier: Apache-2.0
// RowInstructions: the bulk work of rows.hpp as one set of instructions does it. For rows.cpp, and for tests, which try each
// set that this processor has.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace smmu::memory::rows {

struct RowInstructions {
    const char* name;
    void (*fill)(std::uint64_t*, std::size_t, std::uint64_t, std::uint64_t) noexcept;  // whole lines
    void (*store)(std::uint64_t*, std::size_t, std::uint64_t, std::uint64_t) noexcept;
    void (*store_from)(std::uint64_t*, const std::uint64_t*, std::size_t, std::uint64_t) noexcept;
    bool (*all_live)(const std::uint64_t*, std::size_t) noexcept;
    bool (*is_sequence)(const std::uint64_t*, std::size_t, std::uint64_t, std::uint64_t) noexcept;
    std::uint64_t (*united)(const std::uint64_t*, std::size_t) noexcept;
};

// Those of this processor, the best first; the last is what every processor does.
std::span<const RowInstructions* const> row_instructions() noexcept;

}  // namespace smmu::memory::rows
