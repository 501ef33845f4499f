// SPDX-License-Identifier: Apache-2.0
#include "memory/arena.hpp"

#include <fmt/format.h>

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
    enum class Use : std::uint8_t { free, used, kept, earlier, quarantined };
    struct Slot {                    // what this process knows of a frame
        Account* account = nullptr;  // of a kept frame
        std::uint32_t tally = 0;
        Use use = Use::free;
        std::uint8_t order = 0;
    };

    State(TableMemory table_memory, ArenaHeader arena_header)
        : memory(table_memory), header(arena_header), slots(header.frames()), free(header.frames()) {}

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
    Slot& slot_of(PhysAddr address) {
        const auto index = index_of(address);
        SMMU_ASSERT(index.has_value());
        return slots[*index];
    }
    void set_use(std::uint32_t index, unsigned order, Use use) {
        for (std::uint32_t i = index; i < index + (1u << order); ++i) slots[i].use = use;
    }

    TableMemory memory;
    ArenaHeader header;
    std::vector<Slot> slots;
    FrameSet free;
    std::uint32_t generation = 1;
    std::uint64_t earlier = 0, quarantined = 0;
};

Arena::Arena(std::unique_ptr<State> state) : state_(std::move(state)) {}
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
    for (std::uint32_t i = header.own_frames(); i < header.frames(); ++i) {
        if (header.record(i) == 0) {
            state->free.insert(i);
        } else {
            state->slots[i].use = State::Use::earlier;
            ++state->earlier;
        }
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

// The record is written here, before anybody has the frame: it cannot be linked without being on record.
Frame Arena::mark_used(std::uint32_t index, Account& account, unsigned order) {
    for (std::uint32_t i = index; i < index + (1u << order); ++i)
        state_->header.set_record(i, state_->generation);
    state_->set_use(index, order, State::Use::used);
    account.charge(std::uint64_t{1} << order);
    Frame frame;
    frame.address_ = state_->address(index);
    frame.words_ = state_->words(index);
    frame.account_ = &account;
    frame.order_ = order;
    return frame;
}

// Calls visit(first frame) for every run that is free, until it says false. Runs come from the top, single frames from
// the bottom, so that small ones do not cut up the large.
template <class Visit>
void Arena::each_free_run(unsigned order, Visit visit) const {
    const std::uint64_t count = std::uint64_t{1} << order;
    const std::uint64_t base = state_->memory.range.first.value >> frame_log2;
    const std::uint64_t end = base + state_->header.frames();
    for (std::uint64_t run = end & ~(count - 1); run >= base + count; run -= count) {
        const std::uint64_t first = run - count - base;
        std::uint64_t seen = 0;
        while (seen < count && state_->free.contains(static_cast<std::uint32_t>(first + seen))) ++seen;
        if (seen == count && !visit(static_cast<std::uint32_t>(first))) return;
    }
}

Result<Frame> Arena::take(Account& account, unsigned order) {
    SMMU_TRY(std::vector<Frame> one, take_many(account, 1, Contents::zero, order));
    return std::move(one.front());
}

Result<std::vector<Frame>> Arena::take_runs(Account& account, std::uint64_t count, Contents contents, unsigned order) {
    std::vector<std::uint32_t> runs;
    if (count > 0)
        each_free_run(order, [&](std::uint32_t first) {
            runs.push_back(first);
            return runs.size() < count;
        });
    if (runs.size() < count)
        return fail(ENOMEM, fmt::format("table memory: {} runs of {} frames wanted, {} free among {} frames; enlarge it", count,
                                        1u << order, runs.size(), state_->free.size()));
    std::vector<Frame> frames;
    frames.reserve(count);
    for (const std::uint32_t first : runs) {
        for (std::uint32_t i = 0; i < 1u << order; ++i) state_->free.erase(first + i);
        frames.push_back(mark_used(first, account, order));
        if (contents == Contents::zero) std::memset(frames.back().words(), 0, frame_bytes << order);
    }
    return frames;
}

Result<std::vector<Frame>> Arena::take_many(Account& account, std::uint64_t count, Contents contents, unsigned order) {
    if (order > largest_order) return fail(EINVAL, fmt::format("no run of 2^{} frames exists", order));
    if (account.room() >> order < count)
        return fail(EDQUOT, fmt::format("table memory: {} frames held of {} allowed, {} more wanted; unmap something "
                                        "or raise the limit", account.held, account.limit, count << order));
    if (order > 0) return take_runs(account, count, contents, order);
    if (state_->free.size() < count)
        return fail(ENOMEM, fmt::format("table memory: {} frames wanted, {} free; enlarge it", count,
                                        state_->free.size()));
    std::vector<Frame> frames;
    frames.reserve(count);
    for (std::uint64_t i = 0; i < count; ++i) {
        const std::uint32_t index = state_->free.lowest();
        state_->free.erase(index);
        frames.push_back(mark_used(index, account, 0));
        if (contents == Contents::zero) std::memset(frames.back().words(), 0, frame_bytes);
    }
    return frames;
}

// Empties a Frame and its account's count of it; what becomes of the memory is the caller's.
void Arena::let_go(Frame& frame) noexcept {
    State::Slot& slot = state_->slot_of(frame.address());
    SMMU_ASSERT(slot.use == State::Use::used);
    frame.account_->relieve(std::uint64_t{1} << frame.order());
    frame.words_ = nullptr;
}

void Arena::discard(Frame frame) noexcept {
    if (!frame) return;
    let_go(frame);
    const std::uint32_t index = *state_->index_of(frame.address());
    state_->set_use(index, frame.order(), State::Use::free);
    for (std::uint32_t i = index; i < index + (1u << frame.order()); ++i) {
        state_->header.set_record(i, 0);
        state_->free.insert(i);
    }
}

void Arena::reclaim(Flushed&& flushed) noexcept {
    for (Frame& frame : flushed.frames_) discard(std::move(frame));
    flushed.frames_.clear();
}

void Arena::quarantine(Frame frame) noexcept {
    if (!frame) return;
    let_go(frame);
    state_->set_use(*state_->index_of(frame.address()), frame.order(), State::Use::quarantined);
    state_->quarantined += std::uint64_t{1} << frame.order();
}

PhysAddr Arena::keep(Frame frame) noexcept {
    State::Slot& slot = state_->slot_of(frame.address());
    SMMU_ASSERT(slot.use == State::Use::used);
    slot = {.account = frame.account_, .tally = 0, .use = State::Use::kept,
            .order = static_cast<std::uint8_t>(frame.order())};
    frame.words_ = nullptr;
    return frame.address();
}

Frame Arena::take_back(PhysAddr address) noexcept {
    State::Slot& slot = state_->slot_of(address);
    SMMU_ASSERT(slot.use == State::Use::kept);
    slot.use = State::Use::used;
    Frame frame;
    frame.address_ = address;
    frame.words_ = state_->words(*state_->index_of(address));
    frame.account_ = slot.account;
    frame.order_ = slot.order;
    return frame;
}

bool Arena::is_kept(PhysAddr address) const noexcept {
    const auto index = state_->index_of(address);
    return index && state_->slots[*index].use == State::Use::kept;
}

std::uint32_t& Arena::tally(PhysAddr address) noexcept {
    State::Slot& slot = state_->slot_of(address);
    SMMU_ASSERT(slot.use == State::Use::kept);
    return slot.tally;
}

Result<Frame> Arena::adopt(PhysAddr address, Account& account, unsigned order) {
    const auto index = state_->index_of(address);
    const std::uint64_t count = std::uint64_t{1} << std::min(order, largest_order);
    bool left_by_earlier = index && order <= largest_order && is_aligned(address, frame_log2 + order) &&
                           count <= state_->header.frames() - *index;
    for (std::uint64_t i = 0; left_by_earlier && i < count; ++i)
        left_by_earlier = state_->slots[*index + i].use == State::Use::earlier;
    if (!left_by_earlier)
        return fail(ENOENT, fmt::format("table memory: {:#x} (2^{} frames) is not what an earlier instance left",
                                        address.value, order));
    if (account.room() < count)
        return fail(EDQUOT, fmt::format("table memory: {} frames held of {} allowed, {} to adopt; raise the limit",
                                        account.held, account.limit, count));
    state_->earlier -= count;
    return mark_used(*index, account, order);
}

void Arena::retire_earlier_generations(Flushed&& proof) noexcept {
    SMMU_ASSERT(proof.everything_);
    reclaim(std::move(proof));
    for (std::uint32_t i = 0; i < state_->header.frames(); ++i) {
        if (state_->slots[i].use != State::Use::earlier) continue;
        state_->slots[i].use = State::Use::free;
        state_->header.set_record(i, 0);
        state_->free.insert(i);
    }
    state_->earlier = 0;
}

std::uint64_t* Arena::words_at(PhysAddr address) const noexcept {
    const auto index = state_->index_of(address);
    if (!index || state_->slots[*index].use == State::Use::free) return nullptr;
    return state_->words(*index);
}

Arena::Count Arena::count() const noexcept {
    const std::uint64_t total = state_->header.frames() - state_->header.own_frames();
    const std::uint64_t free = state_->free.size();
    return {.total = total, .free = free, .used = total - free - state_->earlier - state_->quarantined,
            .earlier = state_->earlier, .quarantined = state_->quarantined};
}

}  // namespace smmu::memory
