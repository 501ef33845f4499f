// SPDX-License-Identifier: Apache-2.0
#include "tests/models/rcar/model/master.hpp"

#include <algorithm>

namespace smmu::model::rcar {
namespace {

constexpr std::uint64_t page_bytes = 4096;
constexpr std::uint64_t address_mask = (std::uint64_t{1} << 40) - 1;
constexpr std::uint32_t read_refused = 1, write_refused = 2;

void store(std::byte* at, std::uint32_t value) {
    std::memcpy(at, &value, sizeof value);
}

}  // namespace

std::uint32_t Master::word(unsigned offset) const {
    std::uint32_t value = 0;
    std::memcpy(&value, &memory_[offset], sizeof value);
    return value;
}

// What the bus carries: 40 bits.
std::uint64_t Master::address(unsigned offset) const {
    return (word(offset) | std::uint64_t{word(offset + 4)} << 32) & address_mask;
}

std::uint64_t Master::read(unsigned offset, unsigned bytes) const {
    if (offset == 0) return identity;
    if (offset == channels) return facts_.slots.size();
    std::uint64_t value = 0;
    std::memcpy(&value, &memory_[offset], bytes);
    return value;
}

void Master::write(unsigned offset, unsigned bytes, std::uint64_t value) {
    const bool is_fixed = offset < channel || offset == status || offset == refused;
    if (is_fixed) return;
    std::memcpy(&memory_[offset], &value, bytes);
    if (offset == go) start(std::uint32_t(value));
}

void Master::start(std::uint32_t what) {
    const std::uint32_t bytes = std::min(word(length), buffer_bytes);
    const std::span<std::byte> buffer(&memory_[buffer_offset], bytes);
    std::uint32_t result = 0;
    if ((what & 1) != 0 && !transfer(address(source), buffer, false)) result |= read_refused;
    if ((what & 2) != 0 && result == 0 && !transfer(address(destination), buffer, true))
        result |= write_refused;
    store(&memory_[status], result);
    if (result != 0) store(&memory_[refused], word(refused) + 1);
}

// What is refused reads as zero; the rest goes on, as on a bus.
bool Master::transfer(std::uint64_t at, std::span<std::byte> bytes, bool write) {
    const std::uint32_t chosen = word(channel);
    if (chosen >= facts_.slots.size()) return false;
    bool all = true;
    while (!bytes.empty()) {
        const auto part = std::min<std::uint64_t>(bytes.size(), page_bytes - at % page_bytes);
        const std::span<std::byte> now = bytes.first(part);
        if (!bus_(facts_.slots[chosen], at & address_mask, now, write)) {
            all = false;
            if (!write) std::ranges::fill(now, std::byte{0});
        }
        bytes = bytes.subspan(part);
        at += part;
    }
    return all;
}

}  // namespace smmu::model::rcar
