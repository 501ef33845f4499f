// SPDX-License-Identifier: Apache-2.0
#include "board/qtest.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cstring>

namespace smmu::board {
namespace {

constexpr Nanoseconds patience = std::chrono::seconds(20);  // the first answer: QEMU has started
constexpr std::size_t max_line_bytes = 4096;

void append_command(std::string& commands, const link::Operation& operation) {
    constexpr std::array width_letters = {'b', 'w', 'l', 'q'};  // by log2 of the bytes
    const char letter = width_letters[static_cast<std::size_t>(std::countr_zero(operation.bytes))];
    auto out = std::back_inserter(commands);
    switch (operation.kind) {
        case link::OperationKind::read:
            fmt::format_to(out, "read{} {:#x}\n", letter, operation.address);
            break;
        case link::OperationKind::write:
            fmt::format_to(out, "write{} {:#x} {:#x}\n", letter, operation.address,
                           operation.value);
            break;
        case link::OperationKind::port_in:
            fmt::format_to(out, "in{} {:#x}\n", letter, operation.address);
            break;
        case link::OperationKind::port_out:
            fmt::format_to(out, "out{} {:#x} {:#x}\n", letter, operation.address, operation.value);
            break;
    }
}

// The value in "OK 0x1234".
Result<std::uint64_t> value_of(std::string_view line) {
    constexpr std::string_view prefix = "OK 0x";
    std::uint64_t value = 0;
    if (line.starts_with(prefix)) {
        const char* const end = line.data() + line.size();
        const auto parsed = std::from_chars(line.data() + prefix.size(), end, value, 16);
        if (parsed.ec == std::errc() && parsed.ptr == end) return value;
    }
    return fail(EPROTO, fmt::format("QEMU answered a read with '{}'", line));
}

}  // namespace

Result<void> Qtest::exchange_some(std::string_view& unsent, Instant deadline) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(
        std::max(deadline - std::chrono::steady_clock::now(), Nanoseconds{0}));
    pollfd polled{socket_.get(), static_cast<short>(unsent.empty() ? POLLIN : POLLIN | POLLOUT), 0};
    const int ready = poll(&polled, 1, static_cast<int>(left.count()));
    if (ready < 0 && errno == EINTR) return {};
    if (ready <= 0) return fail(ETIMEDOUT, "QEMU does not answer any more");
    if (!unsent.empty() && (polled.revents & POLLOUT) != 0) {
        const ssize_t sent =
            send(socket_.get(), unsent.data(), unsent.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent > 0) unsent.remove_prefix(static_cast<std::size_t>(sent));
    }
    if ((polled.revents & (POLLIN | POLLHUP | POLLERR)) != 0) {
        std::array<char, 65536> buffer;
        const ssize_t got = recv(socket_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
        if (got > 0) received_.append(buffer.data(), static_cast<std::size_t>(got));
        if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
            return fail(ECONNRESET, "QEMU closed its connection");
    }
    return {};
}

Result<void> Qtest::take_answers(std::span<const link::Operation> operations,
                                 std::span<std::uint64_t> values, std::size_t& answered,
                                 std::size_t& valued) {
    std::size_t begin = 0;
    for (;;) {
        const std::size_t end = received_.find('\n', begin);
        if (end == std::string::npos) break;
        const std::string_view line = std::string_view(received_).substr(begin, end - begin);
        begin = end + 1;
        if (line.starts_with("IRQ ")) continue;  // sent unasked
        if (!line.starts_with("OK") || answered == operations.size())
            return fail(EPROTO, fmt::format("QEMU answered '{}'", line));
        if (operations[answered].reads()) {
            SMMU_TRY(values[valued], value_of(line));
            ++valued;
        }
        ++answered;
    }
    received_.erase(0, begin);
    if (received_.size() > max_line_bytes) return fail(EPROTO, "QEMU sent a line without an end");
    return {};
}

Result<void> Qtest::perform(std::span<const link::Operation> operations,
                            std::span<std::uint64_t> values) {
    std::string commands;
    for (const link::Operation& operation : operations) append_command(commands, operation);
    const Instant deadline = std::chrono::steady_clock::now() + patience;
    std::string_view unsent = commands;
    std::size_t answered = 0;
    std::size_t valued = 0;
    while (answered < operations.size()) {
        SMMU_CHECK(exchange_some(unsent, deadline));
        SMMU_CHECK(take_answers(operations, values, answered, valued));
    }
    return {};
}

}  // namespace smmu::board
