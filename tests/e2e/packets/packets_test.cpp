// SPDX-License-Identifier: Apache-2.0
// Hostile packets: whatever a process sends to the socket, the service lives, the others' calls are
// answered and their DMA works.
#include <fmt/format.h>
#include <sys/un.h>

#include <random>

#include "protocol/codec.hpp"
#include "tests/e2e/machine_room.hpp"

namespace smmu::test {
namespace {

using protocol::Bytes;
using protocol::Opcode;

// A connection without a library.
class Raw {
public:
    explicit Raw(const BoardProcess& board) {
        socket_.reset(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        const std::string path = Service::socket(board);
        std::memcpy(address.sun_path, path.data(), path.size());
        const auto* name = static_cast<const sockaddr*>(static_cast<const void*>(&address));
        EXPECT_EQ(connect(socket_.get(), name, sizeof address), 0);
    }
    // Never waits: false when the service takes nothing more, or is gone.
    bool send(Bytes packet, std::span<const int> descriptors = {}) {
        iovec part{const_cast<std::byte*>(packet.data()), packet.size()};
        msghdr message{};
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        alignas(cmsghdr) std::byte control[CMSG_SPACE(64 * sizeof(int))] = {};
        if (!descriptors.empty()) {
            message.msg_control = control;
            message.msg_controllen = CMSG_SPACE(descriptors.size_bytes());
            cmsghdr* const header = CMSG_FIRSTHDR(&message);
            header->cmsg_level = SOL_SOCKET;
            header->cmsg_type = SCM_RIGHTS;
            header->cmsg_len = CMSG_LEN(descriptors.size_bytes());
            std::memcpy(CMSG_DATA(header), descriptors.data(), descriptors.size_bytes());
        }
        return sendmsg(socket_.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL) ==
               ssize_t(packet.size());
    }
    template <class Body>
    bool request(Opcode opcode, const Body& body, Bytes payload = {},
                 std::span<const int> descriptors = {}) {
        return send(protocol::encode_request(buffer_, opcode, ++sequence_, body, payload),
                    descriptors);
    }
    // The error of the reply; -1 when the service has closed the connection, -2: no answer.
    int reply() {
        pollfd polled{socket_.get(), POLLIN, 0};
        constexpr int milliseconds = 5000;
        if (poll(&polled, 1, milliseconds) <= 0) return -2;
        const ssize_t got = recv(socket_.get(), buffer_.data(), buffer_.size(), 0);
        if (got < ssize_t(sizeof(protocol::Header) + sizeof(protocol::Outcome))) return -1;
        protocol::Outcome outcome;
        std::memcpy(&outcome, buffer_.data() + sizeof(protocol::Header), sizeof outcome);
        return int(outcome.error);
    }
    int hello() {
        request(Opcode::hello, protocol::HelloRequest{1, 1});
        return reply();
    }
    int fd() const { return socket_.get(); }

private:
    UniqueFd socket_;
    std::array<std::byte, protocol::packet_limit> buffer_{};
    std::uint32_t sequence_ = 0;
};

template <class Value>
std::vector<std::byte> bytes(const Value& value) {
    const auto view = std::as_bytes(std::span(&value, 1));
    return {view.begin(), view.end()};
}

class Packets : public SharedRoom<Packets> {
protected:
    void SetUp() override {
        SharedRoom::SetUp();
        driver_ = room().driver();
        object_ = driver_.own(q35::edu_a);
        ASSERT_NE(object_, nullptr);
        ASSERT_TRUE(driver_.map(object_, memory_base, 2 * page).done());
    }
    void TearDown() override {
        expect_undisturbed();
        SharedRoom::TearDown();
    }
    // What the other client has goes on working, and its calls are answered soon.
    void expect_undisturbed() {
        const Instant begin = std::chrono::steady_clock::now();
        EXPECT_TRUE(driver_.map(object_, memory_base + 4 * page, page).done());
        EXPECT_TRUE(driver_.unmap(object_, memory_base + 4 * page, page).done());
        EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(2));
        EXPECT_TRUE(room().copies(room().a(), memory_base, memory_base + page));
        EXPECT_FALSE(room().writes(room().a(), memory_base + 4 * page));
        EXPECT_TRUE(room().service().alive());
    }
    Raw greeted() {
        Raw raw(room().board());
        EXPECT_EQ(raw.hello(), 0);
        return raw;
    }
    ClientProcess driver_;
    Object object_ = nullptr;
};

TEST_F(Packets, TruncatedPacketsEndTheirConnection) {
    protocol::Header header{sizeof(header) + sizeof(protocol::HelloRequest), 1, 1, 1,
                            sizeof(protocol::HelloRequest)};
    const auto whole = bytes(header);
    for (std::size_t length = 1; length <= whole.size(); ++length) {
        Raw raw(room().board());
        EXPECT_TRUE(raw.send(std::span(whole).first(length)));
        EXPECT_EQ(raw.reply(), -1) << length;
    }
}

TEST_F(Packets, OversizedPacketsEndTheirConnection) {
    for (const std::size_t length :
         {protocol::packet_limit + 1, 2 * protocol::packet_limit, std::size_t{150'000}}) {
        Raw raw = greeted();
        std::vector<std::byte> packet(length);
        protocol::Header header{std::uint32_t(length), 6, 1, 2, 24};
        std::memcpy(packet.data(), &header, sizeof header);
        if (raw.send(packet)) {
            EXPECT_EQ(raw.reply(), -1) << length;
        }
    }
}

TEST_F(Packets, LyingHeadersAreRefused) {
    for (const std::uint32_t size : {0u, 15u, 16u, 23u, 25u, 0x7fffffffu, 0xffffffffu})
        for (const std::uint32_t body : {0u, 1u, 8u, 9u, 0x80000000u, 0xffffffffu}) {
            Raw raw = greeted();
            std::vector<std::byte> packet(sizeof(protocol::Header) + 8);
            const protocol::Header header{size, 2, 1, 7, body};
            std::memcpy(packet.data(), &header, sizeof header);
            EXPECT_TRUE(raw.send(packet));
            EXPECT_NE(raw.reply(), 0) << size << " " << body;
        }
}

TEST_F(Packets, NothingBeforeTheGreetingIsCarriedOut) {
    for (std::uint16_t opcode = 2; opcode <= 14; ++opcode) {
        Raw raw(room().board());
        const protocol::Command& command = *protocol::find_command(opcode);
        std::vector<std::byte> packet(sizeof(protocol::Header) + command.body_minimum);
        const protocol::Header header{std::uint32_t(packet.size()), opcode, 1, 1,
                                      std::uint32_t(command.body_minimum)};
        std::memcpy(packet.data(), &header, sizeof header);
        EXPECT_TRUE(raw.send(packet));
        EXPECT_NE(raw.reply(), 0) << command.name;
    }
    Raw stranger(room().board());
    stranger.request(Opcode::hello, protocol::HelloRequest{7, 9});
    EXPECT_EQ(stranger.reply(), EPROTO);
    EXPECT_EQ(stranger.reply(), -1);
}

TEST_F(Packets, UnknownOpcodesAndTailsAreRefusedAndTheConnectionLives) {
    Raw raw = greeted();
    for (const unsigned opcode : {0u, 16u, 99u, 0x7fffu}) {
        std::vector<std::byte> packet(sizeof(protocol::Header) + 8);
        const protocol::Header header{std::uint32_t(packet.size()), std::uint16_t(opcode), 1, 3, 8};
        std::memcpy(packet.data(), &header, sizeof header);
        EXPECT_TRUE(raw.send(packet));
        EXPECT_GT(raw.reply(), 0) << opcode;
    }
    struct Longer {
        protocol::ObjectCreateRequest known;
        std::uint64_t tail;
    };
    raw.request(Opcode::object_create, Longer{{0, 0}, 1});
    EXPECT_GT(raw.reply(), 0) << "an unknown tail that is not zero";
    raw.request(Opcode::object_create, Longer{{0, 0}, 0});
    EXPECT_EQ(raw.reply(), 0) << "a zero tail of a later generation";
}

TEST_F(Packets, ForeignObjectNumbersAndWildCountsAreRefused) {
    Raw raw = greeted();
    const std::uint32_t theirs = room().status().objects.front().id;
    const protocol::Entry entry{memory_base, page};
    for (const std::uint32_t object : {theirs, 0u, 0xffffffffu}) {
        raw.request(Opcode::mapping, protocol::MappingRequest{object, 0, 0, 1, 0},
                    std::as_bytes(std::span(&entry, 1)));
        EXPECT_EQ(raw.reply(), EINVAL);
        raw.request(Opcode::object_destroy, protocol::ObjectDestroyRequest{object, 0});
        EXPECT_EQ(raw.reply(), EINVAL);
    }
    for (const std::uint32_t count : {2u, 1024u, 0x10000000u, 0xffffffffu}) {
        raw.request(Opcode::mapping, protocol::MappingRequest{theirs, 3, 0, count, 0},
                    std::as_bytes(std::span(&entry, 1)));
        EXPECT_GT(raw.reply(), 0);
    }
    const auto kind = static_cast<protocol::DeviceKind>(77);
    raw.request(Opcode::device_remove, protocol::DeviceRemoveRequest{{kind, 0, 0, 3, 0, 0, 0, 0}});
    EXPECT_EQ(raw.reply(), EINVAL);
    raw.request(Opcode::query, protocol::QueryRequest{static_cast<protocol::View>(99), 0});
    EXPECT_GT(raw.reply(), 0);
}

TEST_F(Packets, DescriptorsThatNobodyAskedForAreClosed) {
    const auto descriptors = [] {
        const auto list =
            std::filesystem::directory_iterator(fmt::format("/proc/{}/fd", room().service().pid()));
        return std::distance(begin(list), end(list));
    };
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    const UniqueFd reading(ends[0]), writing(ends[1]);
    const auto before = descriptors();
    for (const std::size_t count : {1u, 2u, 4u, 5u, 64u}) {
        Raw raw = greeted();
        const std::vector<int> many(count, reading.get());
        raw.request(Opcode::safety, protocol::SafetyRequest{}, {}, many);
        EXPECT_NE(raw.reply(), 0) << count;
        raw.request(Opcode::mapping_descriptor, protocol::MappingDescriptorRequest{}, {}, many);
        EXPECT_NE(raw.reply(), 0) << count;
        raw.request(Opcode::wake_channel, protocol::WakeChannelRequest{}, {}, many);
        EXPECT_NE(raw.reply(), 0) << count;
    }
    EXPECT_TRUE(eventually([&] { return descriptors() == before; }));
}

TEST_F(Packets, AListInAFileThatIsNotSealedOrTooShortIsRefused) {
    Raw raw = greeted();
    raw.request(Opcode::object_create, protocol::ObjectCreateRequest{0, 0});
    ASSERT_EQ(raw.reply(), 0);
    const UniqueFd file(memfd_create("list", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    ASSERT_EQ(ftruncate(file.get(), 16), 0);
    const int list[] = {file.get()};
    const auto objects = room().status().objects;
    const auto own = std::ranges::max_element(objects, {}, &report::Object::id)->id;
    const protocol::MappingRequest request{own, 3, 0, 2000, 0};
    raw.request(Opcode::mapping, request, {}, list);
    EXPECT_EQ(raw.reply(), EINVAL) << "not sealed";
    fcntl(file.get(), F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW);
    raw.request(Opcode::mapping, request, {}, list);
    EXPECT_EQ(raw.reply(), EINVAL) << "too short";
    const UniqueFd directory(open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    const int wrong[] = {directory.get()};
    raw.request(Opcode::mapping, request, {}, wrong);
    EXPECT_GT(raw.reply(), 0);
}

TEST_F(Packets, GarbageInAnyNumberHurtsNobody) {
    const char* chosen = std::getenv("SMMU_TEST_SEED");
    const unsigned seed = chosen != nullptr ? unsigned(std::atoi(chosen)) : 20'261'121u;
    SCOPED_TRACE(fmt::format("SMMU_TEST_SEED={}", seed));
    std::mt19937 random(seed);
    std::optional<Raw> raw;
    for (int i = 0; i < 1500; ++i) {
        if (!raw || i % 8 == 0) {
            raw.emplace(room().board());
            if (i % 3 != 0) raw->hello();
        }
        std::vector<std::byte> packet(16 + random() % 200);
        for (std::byte& byte : packet) byte = std::byte(random() % 4 == 0 ? random() : 0);
        // Mostly with a header that is believed.
        if (i % 10 != 0) {
            const auto& command = protocol::commands[random() % protocol::commands.size()];
            const protocol::Header header{std::uint32_t(packet.size()),
                                          std::uint16_t(command.opcode), 1, std::uint32_t(random()),
                                          std::uint32_t(command.body_minimum)};
            std::memcpy(packet.data(), &header, sizeof header);
        }
        if (!raw->send(packet)) raw.reset();
        if (i % 300 == 0) expect_undisturbed();
    }
}

TEST_F(Packets, AFloodAndClientsThatNeverReadKeepNobodyWaiting) {
    std::vector<Raw> flooding;
    for (int i = 0; i < 8; ++i) flooding.push_back(greeted());
    std::size_t sent = 0;
    for (int round = 0; round < 200; ++round)
        for (Raw& raw : flooding) sent += raw.request(Opcode::query, protocol::QueryRequest{});
    EXPECT_GT(sent, 50u);
    expect_undisturbed();
    // Connections without a greeting are ended after a while, and are no hindrance before.
    std::vector<Raw> silent;
    for (int i = 0; i < 50; ++i) silent.emplace_back(room().board());
    expect_undisturbed();
}

// Small replies as well as those with a file.
TEST_F(Packets, WhoReadsNoRepliesIsSentAway) {
    for (const Opcode opcode : {Opcode::safety, Opcode::query}) {
        Raw raw = greeted();
        pollfd hung_up{raw.fd(), POLLRDHUP, 0};
        const Instant deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
        bool ended = false;
        while (!ended && std::chrono::steady_clock::now() < deadline) {
            raw.request(opcode, protocol::SafetyRequest{});  // as good as any other body of 8 zeros
            ended = poll(&hung_up, 1, 1) == 1;
        }
        EXPECT_TRUE(ended) << int(opcode);
    }
}

TEST_F(Packets, WhoDoesNotGreetIsSentAway) {
    Raw silent(room().board());
    pollfd polled{silent.fd(), POLLIN, 0};
    constexpr int milliseconds = 9000;  // 5 seconds, looked at once a second
    EXPECT_EQ(poll(&polled, 1, milliseconds), 1);
    EXPECT_EQ(silent.reply(), -1);
}

}  // namespace
}  // namespace smmu::test
