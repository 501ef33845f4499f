// SPDX-License-Identifier: Apache-2.0
#include "holder/message.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "protocol/result.hpp"

namespace smmu::holder {

namespace {

constexpr std::uint32_t magic = 0x484d4d53;  // "SMMH"
constexpr std::uint32_t version = 1;

struct Head {
    std::uint32_t magic;
    std::uint32_t version;
    std::uint32_t word;
    std::uint32_t descriptors;
    std::array<char, longest_name + 1> name;
};
static_assert(sizeof(Head) == 48);
static_assert(sizeof(Head) + largest_note <= protocol::packet_limit);

std::unexpected<Error> broken(const char* what) { return fail(EPROTO, std::string("holder: ") + what); }

Result<Head> head_of(protocol::Bytes packet) {
    Head head{};
    if (packet.size() < sizeof head || packet.size() - sizeof head > largest_note) return broken("a packet of a wrong size");
    std::memcpy(&head, packet.data(), sizeof head);
    if (head.magic != magic || head.version != version) return broken("the other side speaks another version");
    if (head.descriptors > most_descriptors || head.name.back() != '\0') return broken("a packet beyond the limits");
    return head;
}

}  // namespace

Result<Message> receive(const protocol::Connection& connection, const protocol::Deadline& deadline) {
    std::vector<std::byte> buffer(protocol::packet_limit);
    protocol::Descriptors descriptors;
    const auto packet = connection.receive(buffer, descriptors, deadline);
    if (!packet) return std::unexpected(protocol::to_error(packet.error()));
    SMMU_TRY(const Head head, head_of(*packet));
    Message message{head.word, head.name.data(), {}};
    const protocol::Bytes note = packet->subspan(sizeof head);
    message.deposit.note.assign(note.begin(), note.end());
    for (std::uint32_t i = 0; i < head.descriptors; ++i) {
        const auto next = connection.receive(buffer, descriptors, deadline);
        if (!next) return std::unexpected(protocol::to_error(next.error()));
        if (descriptors.size() != 1) return broken("a packet without its descriptor");
        message.deposit.descriptors.push_back(descriptors.take(0));
    }
    return message;
}

Result<void> send(const protocol::Connection& connection, std::uint32_t word, std::string_view name, const Deposit& deposit,
                  const protocol::Deadline& deadline) {
    if (name.size() > longest_name || deposit.note.size() > largest_note || deposit.descriptors.size() > most_descriptors)
        return fail(E2BIG, "holder: a deposit beyond the limits");
    Head head{magic, version, word, std::uint32_t(deposit.descriptors.size()), {}};
    std::ranges::copy(name, head.name.begin());
    std::vector<std::byte> packet(sizeof head + deposit.note.size());
    std::memcpy(packet.data(), &head, sizeof head);
    std::ranges::copy(deposit.note, packet.begin() + sizeof head);
    if (const auto sent = connection.send(packet, {}, deadline); !sent) return std::unexpected(protocol::to_error(sent.error()));
    for (const UniqueFd& descriptor : deposit.descriptors) {
        const int fd = descriptor.get();
        const std::array<std::byte, 1> carrier{};
        if (const auto sent = connection.send(carrier, std::span(&fd, 1), deadline); !sent)
            return std::unexpected(protocol::to_error(sent.error()));
    }
    return {};
}

}  // namespace smmu::holder
