// SPDX-License-Identifier: Apache-2.0
#include "fake_service.hpp"

#include <fcntl.h>
#include <poll.h>
#include <smmu.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstdlib>
#include <cstring>

#include "client/session.hpp"
#include "protocol/doorbell.hpp"

namespace smmu::client {

using protocol::Deadline;
using protocol::Opcode;
using std::chrono::milliseconds;

FakeService::FakeService() {
    char folder[] = "/tmp/smmu-client-test-XXXXXX";
    if (mkdtemp(folder) == nullptr) std::abort();
    folder_ = folder;
    path_ = folder_ + "/service.sock";
    start();
}

FakeService::~FakeService() {
    stop();
    unlink(path_.c_str());
    rmdir(folder_.c_str());
}

void FakeService::start() {
    unlink(path_.c_str());
    listener_ = UniqueFd(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strcpy(address.sun_path, path_.c_str());
    if (bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0)
        std::abort();
    if (listen(listener_.get(), 8) != 0) std::abort();
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) std::abort();
    stop_reading_ = UniqueFd(ends[0]);
    stop_writing_ = UniqueFd(ends[1]);
    ++instance_;
    thread_ = std::thread([this] { run(); });
}

void FakeService::stop() {
    if (!thread_.joinable()) return;
    stop_writing_.reset();
    thread_.join();
    listener_.reset();
    notification_.reset();
    wake_channel_.reset();
}

void FakeService::on(Opcode opcode, std::function<Answer(Received&)> script) {
    const std::lock_guard guard(mutex_);
    scripts_[opcode] = std::move(script);
}

std::vector<Opcode> FakeService::seen() {
    const std::lock_guard guard(mutex_);
    return seen_;
}

void FakeService::run() {
    std::vector<protocol::Connection> connections;
    while (true) {
        std::vector<pollfd> waited{{stop_reading_.get(), POLLIN, 0}, {listener_.get(), POLLIN, 0}};
        for (const auto& connection : connections) waited.push_back({connection.fd(), POLLIN, 0});
        poll(waited.data(), waited.size(), -1);
        if (waited[0].revents != 0) return;
        for (std::size_t i = connections.size(); i-- > 0;) {
            if (waited[i + 2].revents != 0 && !serve(connections[i]))
                connections.erase(connections.begin() + std::ptrdiff_t(i));
        }
        if (waited[1].revents != 0)
            connections.emplace_back(
                UniqueFd(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC)));
    }
}

bool FakeService::serve(const protocol::Connection& connection) {
    std::vector<std::byte> buffer(protocol::packet_limit);
    Received received{};
    const Deadline deadline = Deadline::after(milliseconds(2000));
    const auto packet = connection.receive(buffer, received.descriptors, deadline);
    if (!packet) return false;
    const auto request = protocol::decode_request(*packet, received.descriptors.size());
    if (!request) {
        ADD_FAILURE() << "the library sent a packet that is wrong: " << request.error().text.view();
        return false;
    }
    received.opcode = request->command->opcode;
    received.body.assign(request->body.begin(), request->body.end());
    received.payload.assign(request->payload.begin(), request->payload.end());
    const std::uint32_t sequence = request->sequence;

    const std::lock_guard guard(mutex_);
    const Answer reply = answer(received);
    if (reply.hang_up) return false;
    if (reply.silent) return true;
    const auto opcode = std::uint16_t(received.opcode);
    const auto bytes =
        reply.error != 0
            ? protocol::encode_failure(buffer, opcode, sequence, reply.error, reply.text)
            : protocol::encode(buffer, std::uint16_t(opcode | protocol::reply_bit), sequence,
                               reply.body, reply.payload);
    const std::span<const int> descriptors(&reply.descriptor, reply.descriptor >= 0 ? 1 : 0);
    const bool sent = connection.send(bytes, descriptors, deadline).has_value();
    // After a reply that leaves records waiting the channel is rung again.
    if (received.opcode == Opcode::events && !records_.empty())
        protocol::ring_wake_channel(wake_channel_.get());
    return sent;
}

Answer FakeService::answer(Received& request) {
    if (request.opcode != Opcode::hello) seen_.push_back(request.opcode);
    const auto script = scripts_.find(request.opcode);
    return script != scripts_.end() ? script->second(request) : standard(request);
}

Answer FakeService::standard(Received& request) {
    switch (request.opcode) {
        case Opcode::hello:
            return Answer::of(
                protocol::HelloReply{{0, 0}, instance_, protocol::protocol_version, 0});
        case Opcode::object_create:
            return Answer::of(protocol::ObjectCreateReply{{0, 0}, ++last_object_, 0});
        case Opcode::notify:
            notification_ = request.descriptors.take(0);
            if (notification_ && !records_.empty()) {
                protocol::fire_notification(notification_.get());
                notification_.reset();
            }
            return Answer::done();
        case Opcode::wake_channel:
            wake_channel_ = request.descriptors.take(0);
            if (!records_.empty()) protocol::ring_wake_channel(wake_channel_.get());
            return Answer::done();
        case Opcode::events:
            return events(request);
        default:
            return Answer::done();
    }
}

Answer FakeService::events(const Received& request) {
    const std::size_t wanted = request.as<protocol::EventsRequest>().count;
    const std::size_t count = std::min(wanted, records_.size());
    Answer answer = Answer::of(
        protocol::EventsReply{{std::int32_t(count), 0}, sizeof(protocol::EventRecord), 0});
    for (std::size_t i = 0; i < count; ++i) {
        const auto bytes = protocol::bytes_of(records_.front());
        answer.payload.insert(answer.payload.end(), bytes.begin(), bytes.end());
        records_.pop_front();
    }
    return answer;
}

void FakeService::refuse_access(const protocol::EventRecord& record) {
    const std::lock_guard guard(mutex_);
    const bool was_idle = records_.empty();
    records_.push_back(record);
    if (wake_channel_ && was_idle) protocol::ring_wake_channel(wake_channel_.get());
    if (!notification_) return;
    protocol::fire_notification(notification_.get());
    notification_.reset();
}

void ClientTest::SetUp() {
    ASSERT_EQ(setenv("SMMUMAN_SOCKET", service.path().c_str(), 1), 0);
    Use()->patience = {milliseconds(5000), milliseconds(5000)};
}

void ClientTest::TearDown() {
    Use()->patience = {milliseconds(100), milliseconds(100)};
    for (int i = 0; i < 10; ++i) smmu_fini();
}

}  // namespace smmu::client
