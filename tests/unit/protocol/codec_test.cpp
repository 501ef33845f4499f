// SPDX-License-Identifier: Apache-2.0
// The codec against packets that no honest sender makes: nothing outside a packet is read, nothing
// malformed comes through.
#include "protocol/codec.hpp"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstdlib>
#include <memory>
#include <random>
#include <vector>

namespace smmu::protocol {
namespace {

using Packet = std::vector<std::byte>;

// In memory of exactly its size, so that the address sanitizer sees a read past its end.
struct Exact {
    explicit Exact(const Packet& packet)
        : bytes(new std::byte[packet.size()]), size(packet.size()) {
        std::copy(packet.begin(), packet.end(), bytes.get());
    }
    Bytes view() const { return {bytes.get(), size}; }
    std::unique_ptr<std::byte[]> bytes;
    std::size_t size;
};

Packet make(std::uint16_t opcode, std::size_t body, std::size_t payload,
            std::byte fill = std::byte{0}) {
    Packet buffer(packet_limit);
    const Packet body_bytes(body, fill);
    const Packet payload_bytes(payload, std::byte{0x5a});
    const Bytes packet = encode(buffer, opcode, 7, body_bytes, payload_bytes);
    return {packet.begin(), packet.end()};
}
Packet make(const Command& command) {
    return make(std::uint16_t(command.opcode), command.body_known, 0);
}

void set_header(Packet& packet, const Header& header) {
    const Bytes bytes = bytes_of(header);
    std::copy_n(bytes.begin(), std::min(bytes.size(), packet.size()), packet.begin());
}
Header header_of(const Packet& packet) {
    return body_as<Header>(Bytes(packet).first(sizeof(Header)));
}

int code_of(const Packet& packet, std::size_t descriptors) {
    const Exact exact(packet);
    const auto request = decode_request(exact.view(), descriptors);
    return request ? 0 : request.error().code;
}

TEST(Codec, EveryCommandComesThroughWhole) {
    for (const Command& command : commands) {
        SCOPED_TRACE(command.name);
        const Exact exact(make(std::uint16_t(command.opcode), command.body_known,
                               command.payload_maximum, std::byte{0x11}));
        const auto request = decode_request(exact.view(), command.descriptors_maximum);
        ASSERT_TRUE(request) << request.error().text.view();
        EXPECT_EQ(request->command, &command);
        EXPECT_EQ(request->sequence, 7u);
        EXPECT_EQ(request->body.size(), command.body_known);
        EXPECT_EQ(request->payload.size(), command.payload_maximum);
    }
}

TEST(Codec, OpcodesAreUnique) {
    for (const Command& command : commands)
        EXPECT_EQ(find_command(std::uint16_t(command.opcode)), &command);
    EXPECT_EQ(find_command(0), nullptr);
    EXPECT_EQ(find_command(0x7fff), nullptr);
}

TEST(Codec, EveryCommandCutAtEveryLengthIsRefused) {
    for (const Command& command : commands) {
        SCOPED_TRACE(command.name);
        const Packet whole = make(command);
        for (std::size_t length = 0; length < whole.size(); ++length) {
            Packet cut(whole.begin(), whole.begin() + std::ptrdiff_t(length));
            EXPECT_EQ(code_of(cut, command.descriptors_minimum), EPROTO)
                << "header still says " << whole.size();
            if (length < sizeof(Header)) continue;
            Header header = header_of(cut);
            header.size = std::uint32_t(length);
            set_header(cut, header);
            EXPECT_EQ(code_of(cut, command.descriptors_minimum), EINVAL)
                << "body is said to be longer";
            header.body_size = std::uint32_t(length - sizeof(Header));
            set_header(cut, header);
            EXPECT_EQ(code_of(cut, command.descriptors_minimum), EINVAL)
                << "body is too short for the command";
        }
    }
}

TEST(Codec, UnknownTailMustBeZero) {
    for (const Command& command : commands) {
        SCOPED_TRACE(command.name);
        for (const std::size_t more : {1u, 8u, 64u}) {
            Packet longer = make(std::uint16_t(command.opcode), command.body_known + more, 0);
            EXPECT_EQ(code_of(longer, command.descriptors_minimum), 0);
            longer.back() = std::byte{1};
            EXPECT_EQ(code_of(longer, command.descriptors_minimum), EINVAL);
        }
    }
}

TEST(Codec, TooMuchPayloadAndWrongDescriptorsAreRefused) {
    for (const Command& command : commands) {
        SCOPED_TRACE(command.name);
        const auto opcode = std::uint16_t(command.opcode);
        EXPECT_EQ(code_of(make(opcode, command.body_known, command.payload_maximum + 1),
                          command.descriptors_minimum),
                  EINVAL);
        EXPECT_EQ(code_of(make(command), command.descriptors_maximum + 1), EINVAL);
        if (command.descriptors_minimum > 0) {
            EXPECT_EQ(code_of(make(command), command.descriptors_minimum - 1), EINVAL);
        }
    }
}

TEST(Codec, HeaderMustBeOfThisGenerationAndKnowItsLength) {
    Packet packet = make(commands[0]);
    const Header good = header_of(packet);
    for (Header bad :
         {Header{good.size + 1, good.opcode, good.version, 7, good.body_size},
          Header{good.size, good.opcode, std::uint16_t(good.version + 1), 7, good.body_size},
          Header{0, good.opcode, good.version, 7, good.body_size}}) {
        set_header(packet, bad);
        EXPECT_EQ(code_of(packet, 0), EPROTO);
    }
    set_header(packet, {good.size, 999, good.version, 7, good.body_size});
    EXPECT_EQ(code_of(packet, 0), ENOSYS);
    set_header(packet, {good.size, good.opcode, good.version, 7, 0xffff'ffff});
    EXPECT_EQ(code_of(packet, 0), EINVAL);
}

TEST(Codec, RandomChangesNeverReadOutside) {
    const char* chosen = std::getenv("SMMU_TEST_SEED");
    const auto seed = chosen != nullptr ? std::strtoul(chosen, nullptr, 0) : 20261120ul;
    std::printf("SMMU_TEST_SEED=%lu\n", seed);
    std::mt19937_64 random(seed);
    unsigned accepted = 0;
    for (int round = 0; round < 100'000; ++round) {
        const Command& command = commands[random() % commands.size()];
        Packet packet = make(std::uint16_t(command.opcode), command.body_known, random() % 40);
        for (std::uint64_t changes = random() % 4; changes > 0; --changes)
            packet[random() % std::min<std::size_t>(packet.size(), 24)] ^=
                std::byte(1u << random() % 8);
        if (random() % 4 == 0) packet.resize(random() % (packet.size() + 1));
        const Exact exact(packet);
        const auto request = decode_request(exact.view(), random() % 3);
        if (request) {
            ++accepted;
            EXPECT_EQ(sizeof(Header) + request->body.size() + request->payload.size(),
                      packet.size());
            EXPECT_GE(request->body.size(), request->command->body_minimum);
            EXPECT_LE(request->payload.size(), request->command->payload_maximum);
        }
        const auto reply = decode_reply(exact.view(), 0, command.opcode, 7);
        if (reply) {
            EXPECT_GE(reply->body.size(), command.reply_minimum);
        }
    }
    EXPECT_GT(accepted, 1000u);
}

class ReplyCodec : public testing::Test {
protected:
    Packet buffer = Packet(packet_limit);
};

TEST_F(ReplyCodec, SuccessComesThrough) {
    const ObjectCreateReply body{{0, 0}, 42, 0};
    const Bytes packet = encode_reply(buffer, Opcode::object_create, 3, body);
    const auto reply = decode_reply(packet, 0, Opcode::object_create, 3);
    ASSERT_TRUE(reply);
    EXPECT_EQ(body_as<ObjectCreateReply>(reply->body).object, 42u);
}

TEST_F(ReplyCodec, RefusalCarriesCodeAndSentence) {
    const Bytes packet =
        encode_failure(buffer, std::uint16_t(Opcode::object_create), 3, EDQUOT, "too many objects");
    const auto reply = decode_reply(packet, 0, Opcode::object_create, 3);
    ASSERT_FALSE(reply);
    EXPECT_EQ(reply.error().code, EDQUOT);
    EXPECT_EQ(reply.error().text.view(), "too many objects");
}

TEST_F(ReplyCodec, LongSentenceIsCutAndStillAString) {
    const Bytes packet = encode_failure(buffer, 1, 3, EIO, std::string(10'000, 'x'));
    const auto reply = decode_reply(packet, 0, Opcode::hello, 3);
    ASSERT_FALSE(reply);
    EXPECT_EQ(reply.error().text.view().size(), text_limit - 1);
    EXPECT_EQ(std::strlen(reply.error().text.c_str()), text_limit - 1);
}

TEST_F(ReplyCodec, AnotherRequestsAnswerIsRefused) {
    const Bytes packet = encode_reply(buffer, Opcode::safety, 3, Outcome{0, 0});
    EXPECT_TRUE(decode_reply(packet, 0, Opcode::safety, 3));
    EXPECT_EQ(decode_reply(packet, 0, Opcode::safety, 4).error().code, EPROTO);
    EXPECT_EQ(decode_reply(packet, 0, Opcode::notify, 3).error().code, EPROTO);
    EXPECT_EQ(decode_reply(packet, 1, Opcode::safety, 3).error().code, EPROTO);
}

TEST_F(ReplyCodec, ShortAnswerIsRefusedLongAnswerIsTaken) {
    EXPECT_EQ(
        decode_reply(encode_reply(buffer, Opcode::hello, 3, Outcome{0, 0}), 0, Opcode::hello, 3)
            .error()
            .code,
        EPROTO);
    // A newer service may say more than this library knows.
    EXPECT_TRUE(
        decode_reply(encode_reply(buffer, Opcode::safety, 3, ObjectCreateReply{{0, 0}, 9, 9}), 0,
                     Opcode::safety, 3));
}

TEST_F(ReplyCodec, StrangeErrorNumberIsNotHandedOn) {
    const Outcome outcome{-1, 0xffff'ffff};
    EXPECT_EQ(decode_reply(encode_reply(buffer, Opcode::safety, 3, outcome), 0, Opcode::safety, 3)
                  .error()
                  .code,
              EPROTO);
}

TEST(BodyAs, ShorterBodyIsFilledWithZero) {
    const std::array<std::byte, 8> half{std::byte{1}, std::byte{0}, std::byte{0}, std::byte{0},
                                        std::byte{2}, std::byte{0}, std::byte{0}, std::byte{0}};
    const auto request = body_as<MappingRequest>(half);
    EXPECT_EQ(request.object, 1u);
    EXPECT_EQ(request.flags, 2u);
    EXPECT_EQ(request.target, 0u);
    EXPECT_EQ(request.count, 0u);
}

}  // namespace
}  // namespace smmu::protocol
