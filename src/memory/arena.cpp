// SPDX-License-Identifier: Apache-2.0
#include "memory/arena.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "memory/arena_header.hpp"
#include "memory/frame_set.hpp"
#include "memory/gather.hpp"

namespace smmu::memory {
namespace {

constexpr std::uint64_t smallest_arena = 64;             // frames
constexpr std::uint64_t largest_arena = std::uint64_t{1} << 28;  // frames: 1 TiB
constexpr unsigned largest_order = 20;

Result<void> check(const TableMemory& memory) {
    const std::uint64_t bytes = memory.bytes.size();
    const bool whole = (bytes & (frame_bytes - 1)) == 0 && is_aligned(memory.range.first, frame_log2) &&
                       (reinterpret_cast<std::uintptr_t>(memory.bytes.data()) & (frame_bytes - 1)) == 0;
    if (!whole || bytes == 0 || memory.range.last - memory.range.first != bytes - 1)
        return fail(EINVAL, fmt::format("table memory at {:#x}: {:#x} bytes are not whole frames of 4 KiB that "
                                        "lie where the platform says; give an aligned range",
                                        memory.range.first.value, bytes));
    const std::uint64_t frames = bytes >> frame_log2;
    if (frames < smallest_arena || frames > largest_arena)
        return fail(EINVAL, fmt::format("table memory at {:#x}: {} frames of 4 KiB; give {} to {}",
                                        memory.range.first.value, frames, smallest_arena, largest_arena));
    return {};
}

}  // namespace

struct Arena::State {
    State(TableMemory table_memory, ArenaHeader arena_header)
        : memory(table_memory), header(arena_header), free(header.frames()), tallies(header.frames()),
          kept_words(FrameBits::words_for(header.frames())), earlier_words(kept_words.size()), kept(kept_words),
          earlier(earlier_words) {}

    std::uint64_t* words(std::uint32_t index) const {
        std::byte* const start = memory.bytes.data() + (std::size_t{index} << frame_log2);
        return reinterpret_cast<std::uint64_t*>(start);
    }
    PhysAddr address(std::uint32_t index) const {
        return memory.range.first + (std::uint64_t{index} << frame_log2);
    }
    // The index of the frame at `address`; nothing when there is none or it belongs to the header.
    std::optional<std::uint32_t> index_of(PhysAddr address) const {
        if (!memory.range.contains(address) || !is_aligned(address, frame_log2)) return std::nullopt;
        const auto index = static_cast<std::uint32_t>((address - memory.range.first) >> frame_log2);
        if (index < header.own_frames()) return std::nullopt;
        return index;
    }
    // `count` frames from `address` on; nothing unless all of them are the arena's to give.
    std::optional<FrameRun> run_of(PhysAddr address, std::uint64_t count) const {
        const auto index = index_of(address);
        if (!index || count == 0 || count > header.frames() - *index) return std::nullopt;
        return FrameRun{*index, static_cast<std::uint32_t>(count)};
    }
    void found(std::uint32_t index) {
        if (header.taken().test(index)) {
            earlier.set({index, 1});
            ++earlier_count;
        } else {
            free.insert({index, 1});
        }
    }
    void free_again(FrameRun run) {
        header.taken().clear(run);
        free.insert(run);
    }

    TableMemory memory;
    ArenaHeader header;
    FrameSet free;
    std::vector<Tally> tallies;
    std::vector<std::uint64_t> kept_words, earlier_words;
    FrameBits kept, earlier;  // owned by links; left by earlier generations
    std::uint32_t generation = 1;
    std::uint64_t earlier_count = 0, quarantined = 0;
};

Arena::Arena(std::unique_ptr<State> state)
    : state_(std::move(state)), bytes_at_(state_->memory.range.first), bytes_(state_->memory.bytes),
      from_address_to_view_(reinterpret_cast<std::uintptr_t>(bytes_.data()) - bytes_at_.value), kept_(state_->kept), tallies_(state_->tallies) {}
Arena::~Arena() = default;

Result<std::unique_ptr<Arena>> Arena::open(TableMemory memory, BootIdentity boot) {
    SMMU_CHECK(check(memory));
    ArenaHeader header(memory);
    auto state = std::make_unique<State>(memory, header);
    SMMU_TRY(const auto generation, header.found(boot));
    if (generation) {
        state->generation = *generation + 1;
        header.begin(state->generation);
    } else {
        header.write_new(boot);
    }
    // What is not on record as taken is free, by words.
    for (std::uint32_t i = header.own_frames(); i < header.frames();) {
        const std::uint32_t end = std::min<std::uint32_t>((i | 63) + 1, header.frames());
        const FrameRun run{i, end - i};
        if (header.taken().none(run))
            state->free.insert(run);
        else
            for (; i < end; ++i) state->found(i);
        i = end;
    }
    return std::unique_ptr<Arena>(new Arena(std::move(state)));
}

Result<bool> Arena::would_continue(TableMemory memory, BootIdentity boot) {
    SMMU_CHECK(check(memory));
    SMMU_TRY(const auto generation, ArenaHeader(memory).found(boot));
    return generation.has_value();
}

PhysRange Arena::range() const { return state_->memory.range; }
std::uint32_t Arena::generation() const { return state_->generation; }

std::uint64_t Arena::available(const Account& account, unsigned order) const noexcept {
    if (order == 0) return std::min<std::uint64_t>(account.room(), state_->free.size());
    std::uint64_t runs = 0;
    each_free_run(order, [&](std::uint32_t) {
        ++runs;
        return true;
    });
    return std::min(account.room() >> order, runs);
}

// The record is written here, before anybody has the frames: none can be linked without being on record.
Frame Arena::mark_used(FrameRun run, Account& account) {
    state_->header.taken().set(run);
    account.charge(run.count);
    Frame frame;
    frame.address_ = state_->address(run.first);
    frame.words_ = state_->words(run.first);
    frame.account_ = &account;
    frame.count_ = run.count;
    return frame;
}

// Calls visit(first frame) for every aligned run of 2^order that is free, until it says false. They come from the top,
// single frames from the bottom, so that small ones do not cut up the large.
template <class Visit>
void Arena::each_free_run(unsigned order, Visit visit) const {
    const std::uint64_t count = std::uint64_t{1} << order;
    const std::uint64_t base = state_->memory.range.first.value >> frame_log2;
    const std::uint64_t end = base + state_->header.frames();
    for (std::uint64_t run = end & ~(count - 1); run >= base + count; run -= count) {
        const auto first = static_cast<std::uint32_t>(run - count - base);
        if (!state_->free.contains(first)) continue;
        const FrameRun found = state_->free.run_at(first, static_cast<std::uint32_t>(count));
        if (found.count == count && !visit(first)) return;
    }
}

Result<void> Arena::check_room(const Account& account, std::uint64_t frames) const {
    if (account.room() < frames)
        return fail(EDQUOT, fmt::format("table memory: {} frames held of {} allowed, {} more wanted; unmap something "
                                        "or raise the limit", account.held, account.limit, frames));
    if (state_->free.size() < frames)
        return fail(ENOMEM, fmt::format("table memory: {} frames wanted, {} free; enlarge it", frames,
                                        state_->free.size()));
    return {};
}

Result<Frame> Arena::take(Account& account, unsigned order) {
    if (order > largest_order) return fail(EINVAL, fmt::format("no run of 2^{} frames exists", order));
    SMMU_CHECK(check_room(account, std::uint64_t{1} << order));
    std::optional<std::uint32_t> first;
    if (order == 0)
        first = state_->free.from(0);
    else
        each_free_run(order, [&](std::uint32_t at) {
            first = at;
            return false;
        });
    if (!first)
        return fail(ENOMEM, fmt::format("table memory: no {} frames in a row among {} free; enlarge it", 1u << order,
                                        state_->free.size()));
    const FrameRun run{*first, 1u << order};
    state_->free.erase(run);
    Frame frame = mark_used(run, account);
    std::memset(frame.words(), 0, frame.word_count() * sizeof(std::uint64_t));
    return frame;
}

Result<std::vector<Frame>> Arena::take_many(Account& account, std::uint64_t count) {
    SMMU_CHECK(check_room(account, count));
    std::vector<Frame> frames;
    frames.reserve(count);
    while (frames.size() < count) frames.push_back(*take(account));
    return frames;
}

Result<void> Arena::take_unwritten(Account& account, std::uint64_t count, unsigned order, std::vector<Frame>& runs) {
    if (order > largest_order) return fail(EINVAL, fmt::format("no run of 2^{} frames exists", order));
    if (count > std::uint64_t{state_->header.frames()} >> order)
        return fail(ENOMEM, fmt::format("table memory: {} runs of {} frames wanted; enlarge it", count, 1u << order));
    SMMU_CHECK(check_room(account, count << order));
    const auto unit = std::uint64_t{1} << order;
    const std::uint64_t base = state_->memory.range.first.value >> frame_log2;
    const auto aligned = [&](std::uint64_t place) { return ((place + base + unit - 1) & ~(unit - 1)) - base; };
    const std::size_t before = runs.size();
    std::uint64_t missing = count << order, place = 0;
    while (missing > 0) {
        const auto first = state_->free.from(static_cast<std::uint32_t>(aligned(place)));
        if (!first) break;
        place = aligned(*first);
        if (place != *first) continue;
        FrameRun run = state_->free.run_at(*first, static_cast<std::uint32_t>(missing));
        place = run.end();
        run.count &= ~static_cast<std::uint32_t>(unit - 1);
        if (run.count == 0) continue;
        state_->free.erase(run);
        runs.push_back(mark_used(run, account));
        missing -= run.count;
    }
    if (missing > 0) {
        for (; runs.size() > before; runs.pop_back()) discard(std::move(runs.back()));
        return fail(ENOMEM, fmt::format("table memory: not {} runs of {} frames among {} free; enlarge it", count, unit,
                                        state_->free.size()));
    }
    std::reverse(runs.begin() + static_cast<std::ptrdiff_t>(before), runs.end());
    return {};
}

// Empties a Frame and its account's count of it; what becomes of the memory is the caller's.
FrameRun Arena::let_go(Frame& frame) noexcept {
    const auto run = state_->run_of(frame.address(), frame.count());
    SMMU_ASSERT(run && state_->kept.none(*run) && state_->earlier.none(*run) && state_->free.contains_none(*run));
    frame.account_->relieve(run->count);
    frame.words_ = nullptr;
    return *run;
}

void Arena::discard(Frame frame) noexcept {
    if (frame) state_->free_again(let_go(frame));
}

void Arena::reclaim(Flushed&& flushed) noexcept {
    for (Frame& frame : flushed.frames_) discard(std::move(frame));
    flushed.frames_.clear();
}

void Arena::quarantine(Frame frame) noexcept {
    if (frame) state_->quarantined += let_go(frame).count;
}

PhysAddr Arena::keep(Frame frame) noexcept {
    const auto run = state_->run_of(frame.address(), frame.count());
    SMMU_ASSERT(run && state_->kept.none(*run));
    state_->kept.set(*run);
    frame.words_ = nullptr;
    return frame.address();
}

Frame Arena::take_back(PhysAddr address, std::uint64_t count, Account& account) noexcept {
    const auto run = state_->run_of(address, count);
    SMMU_ASSERT(run && state_->kept.all(*run));
    state_->kept.clear(*run);
    Frame frame;
    frame.address_ = address;
    frame.words_ = state_->words(run->first);
    frame.account_ = &account;
    frame.count_ = count;
    return frame;
}

bool Arena::is_kept(PhysAddr address) const noexcept {
    const auto index = state_->index_of(address);
    return index && state_->kept.test(*index);
}

Result<Frame> Arena::adopt(PhysAddr address, Account& account, unsigned order) {
    const std::uint64_t count = std::uint64_t{1} << std::min(order, largest_order);
    const auto run = state_->run_of(address, count);
    if (!run || order > largest_order || !is_aligned(address, frame_log2 + order) || !state_->earlier.all(*run))
        return fail(ENOENT, fmt::format("table memory: {:#x} (2^{} frames) is not what an earlier instance left",
                                        address.value, order));
    if (account.room() < count)
        return fail(EDQUOT, fmt::format("table memory: {} frames held of {} allowed, {} to adopt; raise the limit",
                                        account.held, account.limit, count));
    state_->earlier.clear(*run);
    state_->earlier_count -= count;
    return mark_used(*run, account);
}

void Arena::retire_earlier_generations(Flushed&& proof) noexcept {
    SMMU_ASSERT(proof.everything_);
    reclaim(std::move(proof));
    for (std::uint32_t i = 0; i < state_->header.frames(); ++i) {
        if (!state_->earlier.test(i)) continue;
        state_->earlier.clear({i, 1});
        state_->free_again({i, 1});
    }
    state_->earlier_count = 0;
}

std::uint64_t* Arena::words_at(PhysAddr address) const noexcept {
    const auto index = state_->index_of(address);
    if (!index || state_->free.contains(*index)) return nullptr;
    return state_->words(*index);
}

Arena::Count Arena::count() const noexcept {
    const std::uint64_t total = state_->header.frames() - state_->header.own_frames();
    const std::uint64_t free = state_->free.size();
    return {.total = total, .free = free, .used = total - free - state_->earlier_count - state_->quarantined,
            .earlier = state_->earlier_count, .quarantined = state_->quarantined};
}

}  // namespace smmu::memory
