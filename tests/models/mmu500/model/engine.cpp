// SPDX-License-Identifier: Apache-2.0
#include "tests/models/mmu500/model/engine.hpp"

#include <algorithm>

namespace smmu::model::mmu500 {
namespace {

enum Register : unsigned {
    identity = 0x00,
    source = 0x80,
    destination = 0x88,
    count = 0x90,
    command = 0x98,
    attributes = 0xa0,
    status = 0xa8,
    aborted_accesses = 0xb0
};

constexpr std::uint64_t status_done = 0, status_aborted = 1, status_stalled = 2;
constexpr std::uint64_t page = 4096;

}  // namespace

std::uint64_t Engine::read(unsigned offset, unsigned bytes) const {
    if (offset == identity) return 0x010000ed;
    const auto found = words_.find(offset & ~7u);
    const std::uint64_t word = found == words_.end() ? 0 : found->second;
    return bytes == 8 ? word : word >> (offset & 4) * 8 & 0xffffffff;
}

void Engine::write(unsigned offset, unsigned bytes, std::uint64_t value) {
    if (offset >= status || transfer_.stalled) return;
    std::uint64_t& word = words_[offset & ~7u];
    if (bytes == 8)
        word = value;
    else if ((offset & 4) != 0)
        word = (word & 0xffffffff) | value << 32;
    else
        word = (word & ~0xffffffffull) | (value & 0xffffffff);
    if (offset == command && (value & 1) != 0) start(value);
}

void Engine::start(std::uint64_t what) {
    const bool out = (what & 2) != 0;
    const std::uint64_t inside = words_[out ? source : destination] - memory_offset;
    const std::uint64_t chosen = words_[attributes] & 0xffff;
    if (inside >= memory_bytes || words_[count] > memory_bytes - inside ||
        chosen >= streams_.size())
        return end(true);
    transfer_ = {.request = {.stream = streams_[chosen],
                             .address = words_[out ? destination : source],
                             .write = out,
                             .privileged = (words_[attributes] >> 16 & 1) != 0},
                 .rest = std::span(memory_).subspan(inside, words_[count])};
    go_on();
}

void Engine::end(bool aborted) {
    transfer_ = {};
    words_[command] &= ~std::uint64_t{1};
    words_[status] = aborted ? status_aborted : status_done;
}

// An aborted access ends the transfer; a page at most is one access.
void Engine::go_on() {
    Transfer& transfer = transfer_;
    while (!transfer.rest.empty()) {
        const std::uint64_t to_boundary = page - (transfer.request.address & (page - 1));
        const auto part =
            transfer.rest.first(std::min<std::uint64_t>(transfer.rest.size(), to_boundary));
        const Outcome outcome = bus_(transfer.request, part);
        if (outcome.verdict == Verdict::stalled) {
            transfer.bank = outcome.bank;
            transfer.stalled = true;
            words_[status] = status_stalled;
            return;
        }
        if (outcome.verdict != Verdict::allowed && !transfer.request.write)
            std::ranges::fill(part, std::byte{0});
        if (outcome.verdict == Verdict::aborted) {
            ++words_[aborted_accesses];
            return end(true);
        }
        transfer.rest = transfer.rest.subspan(part.size());
        transfer.request.address += part.size();
    }
    end(false);
}

void Engine::resume(unsigned bank, bool terminate) {
    if (!transfer_.stalled || transfer_.bank != bank) return;
    transfer_.stalled = false;
    if (!terminate) return go_on();
    ++words_[aborted_accesses];
    end(true);
}

}  // namespace smmu::model::mmu500
