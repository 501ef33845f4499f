// SPDX-License-Identifier: Apache-2.0
#include "units/smmuv3/command_queue.hpp"

#include <algorithm>
#include <atomic>

namespace smmu::units::smmuv3 {
namespace {

constexpr std::size_t command_words = 2;
constexpr unsigned command_log2 = 4;  // bytes
constexpr int most_attempts = 3;
constexpr std::uint32_t most_repairs = 64;  // of one batch: each takes one command out

}  // namespace

CommandQueue::CommandQueue(Hardware& hardware, const memory::Frame& ring)
    : hardware_(hardware), ring_(ring.words()), ring_at_(ring.address()),
      entries_log2_(std::min(hardware.features().command_queue_log2, memory::frame_log2 - command_log2)) {}

hw::Bits<CommandQueueBase> CommandQueue::base() const {
    return CommandQueueBase::allocate(1) | CommandQueueBase::address.of_address(ring_at_.value) |
           CommandQueueBase::entries_log2.of(entries_log2_);
}

Result<void> CommandQueue::start() noexcept {
    const hw::Registers& registers = hardware_.registers();
    SMMU_CHECK(hardware_.disable(Control::command_queue, ControlDone::command_queue));
    registers.write(base());
    registers.write(CommandTail::position(0));
    registers.write(CommandHead::position(0));
    // An error of whoever had the queue before is over with its ring.
    if (has_error()) registers.write(hw::Bits<ErrorsSeen>(registers.read<ErrorsSeen>().raw() ^ ErrorsSeen::command(1).raw()));
    tail_ = 0;
    SMMU_CHECK(hardware_.enable(Control::command_queue, ControlDone::command_queue));
    dead_ = false;
    return {};
}

void CommandQueue::put(const Command& command) {
    std::uint64_t* const place = ring_ + command_words * (tail_ % (1u << entries_log2_));
    place[0] = command.low;
    place[1] = command.high;
    tail_ = (tail_ + 1) % positions();
}

bool CommandQueue::has_error() const {
    const hw::Registers& registers = hardware_.registers();
    return registers.read<Errors>().has(Errors::command) != registers.read<ErrorsSeen>().has(ErrorsSeen::command);
}

CommandQueue::Outcome CommandQueue::await(const hw::Deadline& deadline) {
    const hw::Registers& registers = hardware_.registers();
    bool broken = false;
    const bool ended = hw::wait_until(deadline, [&] {
        const auto head = registers.read<CommandHead>();
        if (head.raw() == ~std::uint32_t{0}) return false;
        if (head[CommandHead::position] % positions() == tail_) return true;
        broken = head[CommandHead::error] != 0 && has_error();
        return broken;
    });
    if (!ended) return Outcome::silent;
    return broken ? Outcome::again : Outcome::done;
}

// Puts a CMD_SYNC in the place of the command that stopped the queue, and lets it go on.
bool CommandQueue::recover() {
    const hw::Registers& registers = hardware_.registers();
    const auto head = registers.read<CommandHead>();
    if (head.raw() == ~std::uint32_t{0}) return false;
    ++errors_;
    std::uint64_t* const place = ring_ + command_words * (head[CommandHead::position] % (1u << entries_log2_));
    const Command harmless = Command::sync();
    place[0] = harmless.low;
    place[1] = harmless.high;
    memory::publish(hardware_.features().coherency, place, command_words * sizeof(std::uint64_t));
    registers.write(hw::Bits<ErrorsSeen>(registers.read<ErrorsSeen>().raw() ^ ErrorsSeen::command(1).raw()));
    return true;
}

Result<void> CommandQueue::run_batch(std::span<const Command> commands) {
    const hw::Deadline deadline = hardware_.deadline();
    for (int attempt = 0; attempt < most_attempts; ++attempt) {
        for (const Command& command : commands) put(command);
        put(Command::sync());
        commands_ += commands.size();
        ++syncs_;
        memory::publish(hardware_.features().coherency, ring_, memory::frame_bytes);
        hardware_.registers().write(CommandTail::position.of(tail_));
        Outcome outcome = await(deadline);
        if (outcome == Outcome::done) return {};
        // Something in the queue may have been lost: let it run empty, then ask for all of it once more.
        for (std::uint32_t repairs = 0; outcome == Outcome::again && repairs < most_repairs; ++repairs)
            outcome = recover() ? await(deadline) : Outcome::silent;
        if (outcome != Outcome::done) break;
    }
    dead_ = true;
    return hardware_.not_confirmed("CMD_SYNC");
}

Result<void> CommandQueue::run(std::span<const Command> commands) noexcept {
    if (dead_) return hardware_.not_confirmed("the command queue");
    const std::size_t batch = std::min<std::size_t>(largest_batch, (1u << entries_log2_) - 1u);
    while (!commands.empty()) {
        const auto part = commands.first(std::min(commands.size(), batch));
        SMMU_CHECK(run_batch(part));
        commands = commands.subspan(part.size());
    }
    return {};
}

}  // namespace smmu::units::smmuv3
