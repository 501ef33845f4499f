// SPDX-License-Identifier: Apache-2.0
// Power: the system controller (SYSC) of Gen3, as far as it switches domains with cache units.
#pragma once

#include <array>
#include <cstdint>
#include <functional>

#include "tests/models/rcar/model/product.hpp"

namespace smmu::model::rcar {

class Power {
public:
    static constexpr std::uint64_t base = 0xe6180000;
    static constexpr std::uint64_t window_bytes = 0x1000;

    using Switched = std::function<void(Domain domain, bool on)>;
    explicit Power(Switched switched) : switched_(std::move(switched)) {}

    std::uint32_t read(std::uint64_t offset) const;
    void write(std::uint64_t offset, std::uint32_t value);
    void set(Domain domain, bool on);

private:
    Switched switched_;
    std::array<bool, 4> off_{};  // by Domain
    std::uint32_t done_ = 0;     // SYSCISR
    std::uint32_t enabled_ = 0;  // SYSCIER
    std::uint32_t masked_ = 0;   // SYSCIMR
};

}  // namespace smmu::model::rcar
