// SPDX-License-Identifier: Apache-2.0
#include "link/client.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

namespace smmu::link {
namespace {

// The whole of a sealed file: nobody can change or shorten it while it is read.
Result<Packet> read_sealed(const UniqueFd& file) {
    constexpr int needed = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
    const int seals = fcntl(file.get(), F_GET_SEALS);
    struct stat status{};
    if (seals < 0 || (seals & needed) != needed || fstat(file.get(), &status) != 0 ||
        status.st_size < 0 || static_cast<std::uint64_t>(status.st_size) > max_table_file_bytes)
        return fail(EPROTO,
                    "the board's firmware tables are not in a sealed file of sensible size");
    Packet bytes(static_cast<std::size_t>(status.st_size));
    std::size_t done = 0;
    while (done < bytes.size()) {
        const ssize_t got =
            pread(file.get(), bytes.data() + done, bytes.size() - done, static_cast<off_t>(done));
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return fail(EIO, "the board's firmware tables cannot be read");
        done += static_cast<std::size_t>(got);
    }
    return bytes;
}

}  // namespace

Result<std::unique_ptr<Client>> Client::connect(const std::string& path, Nanoseconds patience) {
    auto socket = PacketSocket::connect(path, patience);
    if (!socket) {
        const int code = socket.error().code;
        const bool absent = code == ENOENT || code == ECONNREFUSED || code == ENOTDIR;
        return fail(absent ? ENXIO : code, std::move(socket).error().text);
    }
    std::unique_ptr<Client> client(new Client(*std::move(socket), path, patience));
    SMMU_TRY(const auto greeting,
             client->ask(Kind::hello, encode_request(Kind::hello), "greeting"));
    SMMU_TRY(client->machine_, decode_machine(greeting.packet));
    return client;
}

bool Client::alive() const noexcept {
    return !given_up_ && !socket_.hung_up();
}

Result<PacketSocket::Received> Client::ask(Kind kind, const Packet& request,
                                           std::string_view what) {
    if (given_up_) return fail(ENXIO, fmt::format("the board at {} is gone", path_));
    const Instant deadline = std::chrono::steady_clock::now() + patience_;
    auto sent = socket_.send(request, patience_);
    // A board that closed this connection may have said why before.
    if (!sent && sent.error().code == EPIPE) sent = {};
    // A stop may come before the answer, and at most one: the board waits for it to be resumed.
    while (sent) {
        auto received =
            socket_.receive(std::max(deadline - std::chrono::steady_clock::now(), Nanoseconds{0}));
        if (!received) {
            sent = pass_on(std::move(received));
            break;
        }
        const auto header = decode_header(received->packet);
        if (header && header->kind == static_cast<std::uint16_t>(Kind::stop) && !stop_) {
            if (auto stop = decode_stop(received->packet); stop) {
                stop_ = *stop;
                continue;
            }
        }
        if (!header || header->kind != static_cast<std::uint16_t>(kind)) {
            sent = fail(EPROTO, fmt::format("answered a {} with something else", what));
            break;
        }
        if (header->status == EBUSY && header->count != 0)
            return fail(EBUSY, fmt::format("process {} has the {} of the board at {}; end it first",
                                           header->count, what, path_));
        if (header->status != 0)
            return fail(header->status, fmt::format("the board at {} refuses the {}: {}", path_,
                                                    what, std::strerror(header->status)));
        return received;
    }
    given_up_ = true;
    return fail(sent.error().code,
                fmt::format("the board at {}, {}: {}", path_, what, sent.error().text));
}

bool Client::perform_packet(std::span<const Operation> operations,
                            std::span<std::uint64_t> values) noexcept {
    const auto answer = ask(Kind::operate, encode_operate(operations), "register access");
    if (!answer) return false;
    if (decode_values(answer->packet, values)) return true;
    given_up_ = true;
    return false;
}

bool Client::perform(std::span<const Operation> operations,
                     std::span<std::uint64_t> values) noexcept {
    std::fill(values.begin(), values.end(), ~std::uint64_t{0});
    while (!operations.empty()) {
        const auto packet = operations.first(std::min(operations.size(), max_operations));
        const auto reading = static_cast<std::size_t>(std::count_if(
            packet.begin(), packet.end(), [](const Operation& o) { return o.reads(); }));
        SMMU_ASSERT(reading <= values.size());
        if (!perform_packet(packet, values.first(reading))) return false;
        operations = operations.subspan(packet.size());
        values = values.subspan(reading);
    }
    return true;
}

std::uint64_t Client::read(PhysAddr address, std::uint8_t bytes) noexcept {
    std::uint64_t value = 0;
    const Operation operation = Operation::read(address, bytes);
    perform({&operation, 1}, {&value, 1});
    return bytes == 8 ? value : value & ((std::uint64_t{1} << (8 * bytes)) - 1);
}

void Client::write(PhysAddr address, std::uint8_t bytes, std::uint64_t value) noexcept {
    const Operation operation = Operation::write(address, bytes, value);
    perform({&operation, 1}, {});
}

std::uint32_t Client::port_in(std::uint16_t port, std::uint8_t bytes) noexcept {
    std::uint64_t value = 0;
    const Operation operation = Operation::port_in(port, bytes);
    perform({&operation, 1}, {&value, 1});
    return static_cast<std::uint32_t>(value & ((std::uint64_t{1} << (8 * bytes)) - 1));
}

void Client::port_out(std::uint16_t port, std::uint8_t bytes, std::uint32_t value) noexcept {
    const Operation operation = Operation::port_out(port, bytes, value);
    perform({&operation, 1}, {});
}

Result<UniqueFd> Client::ram() {
    SMMU_TRY(auto answer, ask(Kind::ram, encode_request(Kind::ram), "RAM file"));
    if (!answer.descriptor)
        return fail(EPROTO, fmt::format("the board at {} passed no RAM file", path_));
    return std::move(answer.descriptor);
}

Result<std::vector<FirmwareTable>> Client::firmware_tables() {
    SMMU_TRY(auto answer, ask(Kind::tables, encode_request(Kind::tables), "firmware tables"));
    SMMU_TRY(const Packet bytes, read_sealed(answer.descriptor));
    return decode_tables(bytes);
}

Result<void> Client::claim() {
    SMMU_CHECK(ask(Kind::claim, encode_request(Kind::claim), "IOMMU"));
    return {};
}

Result<void> Client::shut_down() {
    SMMU_CHECK(ask(Kind::shut_down, encode_request(Kind::shut_down), "end"));
    return {};
}

Result<void> Client::tap(PhysRange range) {
    SMMU_CHECK(ask(Kind::tap, encode_tap(range), "tap"));
    return {};
}

Result<std::optional<Stop>> Client::wait_for_stop(Nanoseconds patience) {
    if (stop_) return std::exchange(stop_, std::nullopt);
    if (given_up_) return fail(ENXIO, fmt::format("the board at {} is gone", path_));
    auto received = socket_.receive(patience);
    if (!received && received.error().code == ETIMEDOUT) return std::nullopt;
    if (!received) {
        given_up_ = true;
        return pass_on(std::move(received));
    }
    const auto header = decode_header(received->packet);
    if (!header || header->kind != static_cast<std::uint16_t>(Kind::stop)) {
        given_up_ = true;
        return fail(EPROTO, fmt::format("the board at {} sent something else than a stop", path_));
    }
    SMMU_TRY(const Stop stop, decode_stop(received->packet));
    return stop;
}

Result<void> Client::resume(const Stop& stop, Fate fate) {
    SMMU_CHECK(ask(Kind::resume, encode_resume(stop.sequence, fate), "resume"));
    return {};
}

}  // namespace smmu::link
