// SPDX-License-Identifier: Apache-2.0
#include "tests/models/vtd/model/dma_device.hpp"

#include <algorithm>
#include <cstring>

namespace smmu::model::vtd {
namespace {

enum Register : unsigned {
    identity = 0x00,
    raise = 0x60,
    source = 0x80,
    destination = 0x88,
    count = 0x90,
    command = 0x98,
    attributes = 0xa0,
    translation = 0xa8,
    storm_address = 0xb0,
    storm_count = 0xb8,
    not_snooped = 0xc0,
    refused = 0xc8,
    interrupts = 0xd0
};

constexpr std::uint64_t most_storm = 1 << 20;

}  // namespace

std::uint64_t DmaDevice::read(unsigned offset, unsigned bytes) const {
    if (offset == identity) return 0x010000ed;
    const auto found = words_.find(offset & ~7u);
    const std::uint64_t word = found == words_.end() ? 0 : found->second;
    return bytes == 8 ? word : word >> (offset & 4) * 8 & 0xffffffff;
}

void DmaDevice::write(unsigned offset, unsigned bytes, std::uint64_t value) {
    if (offset >= not_snooped) return;
    std::uint64_t& word = words_[offset & ~7u];
    if (bytes == 8)
        word = value;
    else if ((offset & 4) != 0)
        word = (word & 0xffffffff) | value << 32;
    else
        word = (word & ~0xffffffffull) | (value & 0xffffffff);
    if (offset == command && (value & 1) != 0) start(value);
    if (offset == storm_count) storm(value);
    if (offset == raise) interrupt();
}

void DmaDevice::start(std::uint64_t what) {
    const bool out = (what & 2) != 0;
    words_[command] = what & ~std::uint64_t{1};
    const std::uint64_t inside = words_[out ? source : destination] - memory_offset;
    std::uint64_t address = words_[out ? destination : source];
    if (inside >= memory_bytes || words_[count] > memory_bytes - inside) return;
    std::span<std::byte> rest(memory_.data() + inside, words_[count]);
    while (!rest.empty()) {
        const std::size_t part = std::min<std::uint64_t>(rest.size(), 4096 - (address & 4095));
        access(address, rest.first(part), out);
        rest = rest.subspan(part);
        address += part;
    }
}

void DmaDevice::storm(std::uint64_t how_many) {
    for (std::uint64_t i = 0; i < std::min(how_many, most_storm); ++i)
        access(words_[storm_address], std::span(memory_).first(4), true);
}

void DmaDevice::interrupt() {
    if (!function_.sends_messages() || !function_.bus_master()) return;
    std::uint32_t data = function_.message_data();
    Request request{.address = function_.message_address(), .write = true};
    if (bus_(request, std::as_writable_bytes(std::span(&data, 1))).interrupt) ++words_[interrupts];
}

void DmaDevice::access(std::uint64_t address, std::span<std::byte> bytes, bool write) {
    if (!function_.bus_master()) return;
    const std::uint64_t chosen = words_[attributes];
    Request request{.address = address, .write = write, .type = AddressType(chosen & 3)};
    request.no_snoop = (chosen & 4) != 0 && function_.may_skip_snoop();
    if ((chosen & 8) != 0) request.pasid = std::uint32_t(chosen >> 32 & 0xfffff);
    if ((chosen & 3) == 3) {
        const Outcome known = translate(address, write);
        const bool may = known.allowed && (write ? known.write : known.read);
        request.type = may ? AddressType::translated : AddressType::untranslated;
        if (may) request.address = known.address;
    }
    const Outcome outcome = bus_(request, bytes);
    if (request.type == AddressType::translation) {
        words_[translation] =
            (outcome.address & ~0xfffull) | unsigned(outcome.read) | unsigned(outcome.write) << 1;
        return;
    }
    if (outcome.interrupt)
        ++words_[interrupts];
    else if (!outcome.allowed)
        ++words_[refused];
    else if (!outcome.snooped)
        ++words_[not_snooped];
    if (!outcome.allowed && !write) std::ranges::fill(bytes, std::byte{0});
}

// By the device TLB; only what may be used is kept there.
Outcome DmaDevice::translate(std::uint64_t address, bool write) {
    if (!function_.translates()) return {};
    const auto known = translations_.find(address >> 12);
    if (known != translations_.end() && (write ? known->second.write : known->second.read)) {
        Outcome outcome = known->second;
        outcome.address = (outcome.address & ~0xfffull) | (address & 0xfff);
        return outcome;
    }
    const Outcome outcome =
        bus_({.address = address, .write = write, .type = AddressType::translation}, {});
    if (outcome.allowed && (outcome.read || outcome.write)) translations_[address >> 12] = outcome;
    return outcome;
}

void DmaDevice::forget_translations(std::uint64_t address, std::uint64_t bytes) {
    std::erase_if(translations_,
                  [&](const auto& entry) { return (entry.first << 12) - address < bytes; });
}

}  // namespace smmu::model::vtd
