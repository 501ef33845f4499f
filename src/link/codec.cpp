// SPDX-License-Identifier: Apache-2.0
#include "link/codec.hpp"

#include <fmt/format.h>

#include <cstring>
#include <optional>
#include <string_view>
#include <type_traits>

namespace smmu::link {
namespace {

template <class T>
void append(Packet& packet, const T& structure) {
    static_assert(std::is_trivially_copyable_v<T>);
    const std::size_t at = packet.size();
    packet.resize(at + sizeof(T));
    std::memcpy(packet.data() + at, &structure, sizeof(T));
}

// The structure at `offset`; nothing when it does not fit.
template <class T>
std::optional<T> structure_at(std::span<const std::byte> bytes, std::size_t offset) {
    static_assert(std::is_trivially_copyable_v<T>);
    if (offset > bytes.size() || bytes.size() - offset < sizeof(T)) return std::nullopt;
    T structure;
    std::memcpy(&structure, bytes.data() + offset, sizeof(T));
    return structure;
}

// The one structure that follows the header, when the packet ends with it.
template <class T>
std::optional<T> body(std::span<const std::byte> packet) {
    if (packet.size() != sizeof(WireHeader) + sizeof(T)) return std::nullopt;
    return structure_at<T>(packet, sizeof(WireHeader));
}

Packet begin(Kind kind, int status, std::size_t count) {
    Packet packet;
    append(packet, WireHeader{static_cast<std::uint16_t>(kind), static_cast<std::uint16_t>(status),
                              static_cast<std::uint32_t>(count)});
    return packet;
}

template <std::size_t Size>
void copy_text(char (&field)[Size], std::string_view text) {
    std::memset(field, 0, Size);
    std::memcpy(field, text.data(), std::min(text.size(), Size - 1));
}

// The text in a zero-filled field; nothing when its last byte is not zero.
template <std::size_t Size>
std::optional<std::string> text_of(const char (&field)[Size]) {
    if (field[Size - 1] != 0) return std::nullopt;
    return std::string(field);
}

Result<Operation> decode_operation(const WireOperation& wire) {
    Operation operation{static_cast<OperationKind>(wire.kind), wire.bytes, wire.address,
                        wire.value};
    const bool is_port =
        operation.kind == OperationKind::port_in || operation.kind == OperationKind::port_out;
    if (!is_port && operation.kind != OperationKind::read && operation.kind != OperationKind::write)
        return fail(EPROTO, fmt::format("operation of unknown kind {}", wire.kind));
    if (!std::has_single_bit(wire.bytes) || wire.bytes > (is_port ? 4 : 8))
        return fail(EPROTO, fmt::format("operation of {} bytes", wire.bytes));
    if (wire.address % wire.bytes != 0)
        return fail(EPROTO, fmt::format("operation at unaligned address {:#x}", wire.address));
    if (is_port && wire.address > 0xffff)
        return fail(EPROTO, fmt::format("operation on port {:#x}", wire.address));
    if (wire.bytes < 8 && wire.value >> (8 * wire.bytes) != 0)
        return fail(EPROTO,
                    fmt::format("value {:#x} is wider than {} bytes", wire.value, wire.bytes));
    for (const std::uint8_t byte : wire.zero)
        if (byte != 0) return fail(EPROTO, "operation with a reserved byte set");
    return operation;
}

Result<void> decode_operations(std::span<const std::byte> packet, std::uint32_t count,
                               std::vector<Operation>& operations) {
    if (count == 0 || count > max_operations)
        return fail(EPROTO, fmt::format("{} operations in a packet; 1 to {} are allowed", count,
                                        max_operations));
    if (packet.size() != sizeof(WireHeader) + count * sizeof(WireOperation))
        return fail(EPROTO,
                    fmt::format("{} bytes do not hold {} operations", packet.size(), count));
    operations.reserve(count);
    for (std::uint32_t i = 0; i < count; ++i) {
        const auto wire =
            structure_at<WireOperation>(packet, sizeof(WireHeader) + i * sizeof(WireOperation));
        SMMU_TRY(Operation operation, decode_operation(*wire));
        operations.push_back(operation);
    }
    return {};
}

}  // namespace

std::optional<WireHeader> decode_header(std::span<const std::byte> packet) {
    return structure_at<WireHeader>(packet, 0);
}

Packet encode_request(Kind kind) {
    return begin(kind, 0, kind == Kind::hello ? protocol_version : 0);
}

Packet encode_operate(std::span<const Operation> operations) {
    SMMU_ASSERT(operations.size() <= max_operations);
    Packet packet = begin(Kind::operate, 0, operations.size());
    packet.reserve(packet.size() + operations.size() * sizeof(WireOperation));
    for (const Operation& operation : operations)
        append(packet, WireOperation{static_cast<std::uint8_t>(operation.kind),
                                     operation.bytes,
                                     {},
                                     operation.address,
                                     operation.value});
    return packet;
}

Packet encode_tap(PhysRange range) {
    Packet packet = begin(Kind::tap, 0, 0);
    append(packet, WireTap{range.first.value, range.last.value});
    return packet;
}

Packet encode_resume(std::uint64_t sequence, Fate fate) {
    Packet packet = begin(Kind::resume, 0, static_cast<std::uint32_t>(fate));
    append(packet, WireResume{sequence});
    return packet;
}

Result<Request> decode_request(std::span<const std::byte> packet) {
    const auto header = decode_header(packet);
    if (!header) return fail(EPROTO, fmt::format("packet of {} bytes", packet.size()));
    if (header->status != 0) return fail(EPROTO, "request with a status");
    Request request;
    request.kind = static_cast<Kind>(header->kind);
    const bool is_bare = packet.size() == sizeof(WireHeader);
    switch (request.kind) {
        case Kind::hello:
            if (!is_bare) break;
            request.version = header->count;
            return request;
        case Kind::ram:
        case Kind::tables:
        case Kind::claim:
        case Kind::shut_down:
            if (!is_bare || header->count != 0) break;
            return request;
        case Kind::operate:
            SMMU_CHECK(decode_operations(packet, header->count, request.operations));
            return request;
        case Kind::tap: {
            const auto tap = body<WireTap>(packet);
            if (!tap || header->count != 0 || tap->first > tap->last) break;
            request.range = {{tap->first}, {tap->last}};
            return request;
        }
        case Kind::resume: {
            const auto resume = body<WireResume>(packet);
            if (!resume || header->count > static_cast<std::uint32_t>(Fate::cut_off)) break;
            request.sequence = resume->sequence;
            request.fate = static_cast<Fate>(header->count);
            return request;
        }
        case Kind::stop:
        default:
            return fail(EPROTO, fmt::format("request of unknown kind {}", header->kind));
    }
    return fail(EPROTO,
                fmt::format("malformed request of kind {}, {} bytes", header->kind, packet.size()));
}

Packet encode_answer(Kind kind, int status, std::uint32_t count) {
    return begin(kind, status, count);
}

Packet encode_values(std::span<const std::uint64_t> values) {
    Packet packet = begin(Kind::operate, 0, values.size());
    packet.resize(sizeof(WireHeader) + values.size_bytes());
    if (!values.empty())
        std::memcpy(packet.data() + sizeof(WireHeader), values.data(), values.size_bytes());
    return packet;
}

Result<void> decode_values(std::span<const std::byte> packet, std::span<std::uint64_t> values) {
    const auto header = decode_header(packet);
    if (!header || header->count != values.size() ||
        packet.size() != sizeof(WireHeader) + values.size_bytes())
        return fail(EPROTO, fmt::format("the board answered {} bytes where {} values were due",
                                        packet.size(), values.size()));
    if (!values.empty())
        std::memcpy(values.data(), packet.data() + sizeof(WireHeader), values.size_bytes());
    return {};
}

Packet encode_machine(const MachineDescription& machine) {
    SMMU_ASSERT(machine.ram.size() <= max_ram_ranges);
    Packet packet = begin(Kind::hello, 0, protocol_version);
    WireMachine wire{};
    wire.version = protocol_version;
    wire.interrupts = static_cast<std::uint32_t>(machine.interrupts);
    std::memcpy(wire.boot_identity, machine.boot_identity.data(), sizeof(wire.boot_identity));
    copy_text(wire.name, machine.name);
    copy_text(wire.log_path, machine.log_path);
    wire.ram_range_count = machine.ram.size();
    for (std::size_t i = 0; i < machine.ram.size(); ++i)
        wire.ram[i] = {machine.ram[i].base.value, machine.ram[i].length, machine.ram[i].offset};
    append(packet, wire);
    return packet;
}

Result<MachineDescription> decode_machine(std::span<const std::byte> packet) {
    const auto wire = body<WireMachine>(packet);
    if (!wire) return fail(EPROTO, fmt::format("the board greeted with {} bytes", packet.size()));
    if (wire->version != protocol_version)
        return fail(
            EPROTO,
            fmt::format("the board speaks version {} of the board protocol, this program {}; "
                        "use programs of one release",
                        wire->version, protocol_version));
    const auto name = text_of(wire->name);
    const auto log_path = text_of(wire->log_path);
    if (!name || !log_path || wire->ram_range_count > max_ram_ranges ||
        wire->interrupts != static_cast<std::uint32_t>(Interrupts::poll))
        return fail(EPROTO, "the board's greeting is malformed");
    MachineDescription machine{*name, {}, Interrupts::poll, {}, *log_path};
    std::memcpy(machine.boot_identity.data(), wire->boot_identity, sizeof(wire->boot_identity));
    for (std::size_t i = 0; i < wire->ram_range_count; ++i) {
        const WireRamRange& ram = wire->ram[i];
        if (!PhysRange::from_length({ram.base}, ram.length) || ram.offset + ram.length < ram.offset)
            return fail(EPROTO, fmt::format("the board's RAM range {} is malformed", i));
        machine.ram.push_back({{ram.base}, ram.length, ram.offset});
    }
    return machine;
}

Packet encode_stop(const Stop& stop) {
    Packet packet = begin(Kind::stop, 0, 0);
    append(packet,
           WireStop{stop.address.value, stop.value, stop.sequence, stop.bytes, stop.writer});
    return packet;
}

Result<Stop> decode_stop(std::span<const std::byte> packet) {
    const auto wire = body<WireStop>(packet);
    if (!wire) return fail(EPROTO, fmt::format("the board sent a stop of {} bytes", packet.size()));
    return Stop{{wire->address}, wire->value, wire->sequence, wire->bytes, wire->writer};
}

Packet encode_tables(std::span<const FirmwareTable> tables) {
    Packet file;
    for (const FirmwareTable& table : tables) {
        WireTableHeader header{{}, table.address, table.bytes.size()};
        copy_text(header.name, table.name);
        append(file, header);
        file.insert(file.end(), table.bytes.begin(), table.bytes.end());
        file.resize((file.size() + 7) & ~std::size_t{7});
    }
    return file;
}

Result<std::vector<FirmwareTable>> decode_tables(std::span<const std::byte> file) {
    std::vector<FirmwareTable> tables;
    std::size_t offset = 0;
    while (offset < file.size()) {
        const auto header = structure_at<WireTableHeader>(file, offset);
        if (!header || tables.size() == max_tables)
            return fail(EPROTO,
                        fmt::format("the board's firmware tables are malformed at {}", offset));
        offset += sizeof(WireTableHeader);
        const auto name = text_of(header->name);
        const std::size_t left = file.size() - offset;
        const std::size_t padded = (header->length + 7) & ~std::uint64_t{7};
        if (!name || header->length > left || padded > left)
            return fail(EPROTO,
                        fmt::format("the board's firmware table {} is cut off", tables.size()));
        const auto bytes = file.subspan(offset, header->length);
        tables.push_back({*name, header->address, {bytes.begin(), bytes.end()}});
        offset += padded;
    }
    return tables;
}

}  // namespace smmu::link
