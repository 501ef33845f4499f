// SPDX-License-Identifier: Apache-2.0
// memory::clean_lines and its kin are this program's own: they tell the model what was cleaned, as an instruction tells
// hardware. A clean that is forgotten shows as a complaint.
#include "memory/coherency.hpp"
#include "tests/unit/ipmmu/driver_bench.hpp"

namespace smmu::memory {

void clean_lines(const volatile void* start, std::size_t bytes) noexcept {
    if (bytes == 0 || units::ipmmu::test::cleaned_machine == nullptr) return;
    auto& machine = *units::ipmmu::test::cleaned_machine;
    const auto* const first = static_cast<const std::byte*>(const_cast<const void*>(start));
    const auto address = machine.memory().base() + std::uint64_t(first - machine.memory().at(machine.memory().base()));
    constexpr std::uint64_t line = 64;
    machine.clean({{address & ~(line - 1)}, {(address + bytes - 1) | (line - 1)}});
}
bool can_stream() noexcept { return true; }
void stream(std::uint64_t* words, std::size_t count, std::uint64_t first, std::uint64_t step) noexcept {
    for (std::size_t i = 0; i < count; ++i) words[i] = first + i * step;
    clean_lines(words, count * sizeof *words);
}
void fence_cleaned() noexcept {}

}  // namespace smmu::memory
