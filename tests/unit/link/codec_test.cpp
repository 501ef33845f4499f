// SPDX-License-Identifier: Apache-2.0
// The board protocol's codec: what goes in comes out, and nothing malformed comes in.
#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "link/codec.hpp"
#include "link/packet_socket.hpp"

namespace smmu::link {
namespace {

std::uint64_t seed() {
    const char* const text = std::getenv("SMMU_TEST_SEED");
    return text != nullptr ? std::strtoull(text, nullptr, 0) : 20261101;
}

const std::vector<Operation> some_operations = {
    Operation::read({0xfed90008}, 8), Operation::write({0xfed90018}, 4, 0x80000000),
    Operation::port_in(0xcfc, 2), Operation::port_out(0xcf8, 4, 0x80001800)};

TEST(Codec, OperationsComeBack) {
    const auto request = decode_request(encode_operate(some_operations));
    ASSERT_TRUE(request) << request.error().text;
    EXPECT_EQ(request->kind, Kind::operate);
    EXPECT_EQ(request->operations, some_operations);
}

TEST(Codec, TheLimitItselfIsAllowed) {
    const std::vector<Operation> most(max_operations, Operation::read({0x1000}, 4));
    const Packet packet = encode_operate(most);
    EXPECT_EQ(packet.size(), max_packet_bytes);
    ASSERT_TRUE(decode_request(packet));
}

TEST(Codec, BareRequestsComeBack) {
    for (const Kind kind : {Kind::hello, Kind::ram, Kind::tables, Kind::claim, Kind::shut_down}) {
        const auto request = decode_request(encode_request(kind));
        ASSERT_TRUE(request) << request.error().text;
        EXPECT_EQ(request->kind, kind);
    }
    EXPECT_EQ(decode_request(encode_request(Kind::hello))->version, protocol_version);
}

TEST(Codec, TapAndResumeComeBack) {
    const PhysRange range{{0xfed90000}, {0xfed90fff}};
    EXPECT_EQ(decode_request(encode_tap(range))->range, range);
    const auto resume = decode_request(encode_resume(77, Fate::cut_off));
    ASSERT_TRUE(resume);
    EXPECT_EQ(resume->sequence, 77u);
    EXPECT_EQ(resume->fate, Fate::cut_off);
    const auto stop = decode_stop(encode_stop({{0xfed90018}, 5, 77, 4, 1234}));
    ASSERT_TRUE(stop);
    EXPECT_EQ(stop->address.value, 0xfed90018u);
    EXPECT_EQ(stop->value, 5u);
    EXPECT_EQ(stop->sequence, 77u);
    EXPECT_EQ(stop->bytes, 4u);
    EXPECT_EQ(stop->writer, 1234u);
}

TEST(Codec, EveryOtherLengthIsRefused) {
    for (const Packet& whole :
         {encode_operate(some_operations), encode_tap({{0}, {1}}), encode_resume(1, Fate::go_on),
          encode_request(Kind::claim), encode_request(Kind::hello)}) {
        for (std::size_t length = 0; length < whole.size(); ++length)
            EXPECT_FALSE(decode_request(std::span(whole).first(length))) << length;
        Packet longer = whole;
        longer.resize(whole.size() + 1);
        EXPECT_FALSE(decode_request(longer));
    }
}

// The packet of one read with one byte changed.
Packet changed(std::size_t at, std::uint8_t value,
               const Operation& operation = Operation::read({0x1000}, 4)) {
    Packet packet = encode_operate(std::span(&operation, 1));
    packet[at] = std::byte{value};
    return packet;
}

TEST(Codec, HostileOperationsAreRefused) {
    constexpr std::size_t operation = sizeof(WireHeader);
    ASSERT_TRUE(decode_request(changed(operation, 1)));
    EXPECT_FALSE(decode_request(changed(0, 200))) << "unknown kind of request";
    EXPECT_FALSE(decode_request(changed(0, 9))) << "a stop is no request";
    EXPECT_FALSE(decode_request(changed(2, 1))) << "status";
    EXPECT_FALSE(decode_request(changed(4, 0))) << "no operation";
    EXPECT_FALSE(decode_request(changed(4, 2))) << "fewer operations than counted";
    EXPECT_FALSE(decode_request(changed(7, 0xff))) << "absurd count";
    EXPECT_FALSE(decode_request(changed(operation, 0))) << "unknown operation";
    EXPECT_FALSE(decode_request(changed(operation, 5))) << "unknown operation";
    for (const std::uint8_t width : std::initializer_list<std::uint8_t>{0, 3, 5, 16, 255})
        EXPECT_FALSE(decode_request(changed(operation + 1, width))) << unsigned{width};
    EXPECT_FALSE(decode_request(changed(operation + 2, 1))) << "reserved";
    EXPECT_FALSE(decode_request(changed(operation + 8, 2))) << "unaligned";
    const Operation port = Operation::port_in(0xcf8, 4);
    ASSERT_TRUE(decode_request(changed(operation + 8, 0xf8, port)));
    EXPECT_FALSE(decode_request(changed(operation + 10, 1, port))) << "no such port";
    EXPECT_FALSE(decode_request(changed(operation + 1, 8, port))) << "port of eight bytes";
    const Operation byte = Operation::write({0x1000}, 1, 0xff);
    EXPECT_FALSE(decode_request(changed(operation + 17, 1, byte))) << "value wider than the access";
}

TEST(Codec, RandomBytesNeverHurt) {
    std::mt19937_64 random(seed());
    RecordProperty("seed", std::to_string(seed()));
    std::printf("SMMU_TEST_SEED=%llu\n", static_cast<unsigned long long>(seed()));
    const Packet valid = encode_operate(some_operations);
    for (int round = 0; round < 20000; ++round) {
        Packet packet = valid;
        packet.resize(random() % (valid.size() + 40));
        for (unsigned changes = 0; changes < 4 && !packet.empty(); ++changes)
            packet[random() % packet.size()] = std::byte(random());
        const auto request = decode_request(packet);
        if (request && request->kind == Kind::operate) {
            for (const Operation& operation : request->operations)
                EXPECT_EQ(operation.address % operation.bytes, 0u);
        }
        (void)decode_machine(packet);
        (void)decode_stop(packet);
        (void)decode_tables(packet);
    }
}

TEST(Codec, MachineComesBack) {
    MachineDescription machine;
    machine.name = "q35-vtd";
    machine.boot_identity[15] = 9;
    machine.ram = {{{0}, 0x10000000, 0}, {{0x100000000}, 0x1000, 0x10000000}};
    machine.log_path = "/tmp/qemu.log";
    const Packet packet = encode_machine(machine);
    const auto back = decode_machine(packet);
    ASSERT_TRUE(back) << back.error().text;
    EXPECT_EQ(back->name, machine.name);
    EXPECT_EQ(back->boot_identity, machine.boot_identity);
    EXPECT_EQ(back->ram, machine.ram);
    EXPECT_EQ(back->log_path, machine.log_path);
    Packet other_version = packet;
    other_version[sizeof(WireHeader)] = std::byte{99};
    EXPECT_EQ(decode_machine(other_version).error().code, EPROTO);
    Packet many_ranges = packet;
    many_ranges[sizeof(WireHeader) + offsetof(WireMachine, ram_range_count)] = std::byte{9};
    EXPECT_FALSE(decode_machine(many_ranges));
    Packet unterminated = packet;
    for (std::size_t i = 0; i < max_name_bytes; ++i)
        unterminated[sizeof(WireHeader) + offsetof(WireMachine, name) + i] = std::byte{'x'};
    EXPECT_FALSE(decode_machine(unterminated));
}

TEST(Codec, ValuesMustBeAsManyAsAsked) {
    const std::vector<std::uint64_t> values = {1, 2, ~std::uint64_t{0}};
    std::vector<std::uint64_t> back(3);
    ASSERT_TRUE(decode_values(encode_values(values), back));
    EXPECT_EQ(back, values);
    std::vector<std::uint64_t> fewer(2);
    EXPECT_FALSE(decode_values(encode_values(values), fewer));
    EXPECT_TRUE(decode_values(encode_values({}), {}));
}

TEST(Codec, TablesComeBackAndAreBounded) {
    const std::vector<FirmwareTable> tables = {{"DMAR", 0x1000, Packet(49, std::byte{7})},
                                               {"MCFG", 0, {}}};
    const Packet file = encode_tables(tables);
    const auto back = decode_tables(file);
    ASSERT_TRUE(back) << back.error().text;
    ASSERT_EQ(back->size(), 2u);
    EXPECT_EQ(back->front().name, "DMAR");
    EXPECT_EQ(back->front().address, 0x1000u);
    EXPECT_EQ(back->front().bytes, tables.front().bytes);
    EXPECT_TRUE(back->back().bytes.empty());
    for (std::size_t length = 1; length < file.size() - sizeof(WireTableHeader); ++length)
        EXPECT_FALSE(decode_tables(std::span(file).first(length))) << length;
    Packet huge = file;
    std::memset(huge.data() + offsetof(WireTableHeader, length), 0xff, 8);
    EXPECT_FALSE(decode_tables(huge));
    const std::vector<FirmwareTable> many(max_tables + 1, FirmwareTable{"SSDT", 0, {}});
    EXPECT_FALSE(decode_tables(encode_tables(many)));
}

TEST(SocketPath, NamesAndPaths) {
    unsetenv("SMMU_BOARD_DIR");
    EXPECT_EQ(socket_path("q35-vtd"), "/run/smmuman/boards/q35-vtd.sock");
    setenv("SMMU_BOARD_DIR", "/tmp/boards", 1);
    EXPECT_EQ(socket_path("q35-vtd"), "/tmp/boards/q35-vtd.sock");
    EXPECT_EQ(socket_path("./x"), "./x");
    unsetenv("SMMU_BOARD_DIR");
}

}  // namespace
}  // namespace smmu::link
