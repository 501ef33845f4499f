// SPDX-License-Identifier: Apache-2.0
#include "daemon/session.hpp"

#include <linux/sockios.h>
#include <sys/ioctl.h>

#include <array>

#include "daemon/service.hpp"
#include "protocol/result.hpp"

namespace smmu::daemon {

namespace {

using protocol::Opcode;

constexpr auto greeting_time = std::chrono::seconds(5);

}  // namespace

Session::Session(Service& service, protocol::Connection connection, Result<ClientId> client, Instant now)
    : service_(service), connection_(std::move(connection)), client_(std::move(client)), since_(now) {}

Session::~Session() {
    operation_.reset();
    if (client_) service_.containment().disconnect(*client_);
}

bool Session::overdue(Instant now) const { return !greeted_ && now - since_ > greeting_time; }

// A client has one request under way. What the kernel keeps of replies that nobody reads, the socket's buffer bounds; but
// not the files that some come with: who asks for another one before it has read the last is no client.
bool Session::reads_its_replies() const {
    int unread = 0;
    return ioctl(fd(), SIOCOUTQ, &unread) == 0 && unread == 0;
}

bool Session::receive() {
    static std::array<std::byte, protocol::packet_limit> buffer;  // one thread, one packet at a time
    protocol::Descriptors descriptors;
    const auto no_wait = protocol::Deadline::passed();
    const auto packet = client_ ? connection_.receive(buffer, descriptors, no_wait) : connection_.receive_bytes(buffer, no_wait);
    if (!packet) return packet.error().code == EAGAIN;

    const auto header = protocol::decode_header(*packet);
    if (!header) return false;
    opcode_ = header->opcode;
    sequence_ = header->sequence;
    const auto request = protocol::decode_request(*packet, descriptors.size());
    if (!request) {
        answer_failure(protocol::to_error(request.error()));
        return !ended_;
    }
    if (request->command->reply_descriptors != 0 && !reads_its_replies()) return false;
    return handle(*request, descriptors);
}

bool Session::handle(const protocol::Request& request, protocol::Descriptors& descriptors) {
    const Opcode opcode = request.command->opcode;
    if (!greeted_ && opcode != Opcode::hello) return false;
    const Result<void> handled = (this->*handler_of(opcode))(request, descriptors);
    if (!handled) answer_failure(handled.error());
    return !ended_ && client_.has_value();
}

bool Session::step(units::Budget& budget) {
    if (operation_->step(budget) == units::Progress::more) return true;
    const auto over = std::move(operation_);
    if (over->result())
        answer_done();
    else
        answer_failure(over->result().error());
    return !ended_;
}

Session::Handler Session::handler_of(Opcode opcode) {
    switch (opcode) {
        case Opcode::hello: return &Session::hello;
        case Opcode::object_create: return &Session::object_create;
        case Opcode::object_destroy: return &Session::object_destroy;
        case Opcode::device_add: return &Session::device_add;
        case Opcode::device_remove: return &Session::device_remove;
        case Opcode::mapping: return &Session::mapping;
        case Opcode::mapping_descriptor: return &Session::mapping_descriptor;
        case Opcode::report_reserved: return &Session::report_reserved;
        case Opcode::safety: return &Session::safety;
        case Opcode::notify: return &Session::notify;
        case Opcode::wake_channel: return &Session::wake_channel;
        case Opcode::events: return &Session::events;
        case Opcode::device_descriptor: return &Session::device_descriptor;
        case Opcode::query: return &Session::query;
        case Opcode::administer: return &Session::administer;
    }
    SMMU_ASSERT(false);  // every opcode of the command table has its handler above
    return nullptr;
}

Result<containment::Reader*> Session::reader() {
    if (reader_ == nullptr) {
        SMMU_TRY(reader_, service_.containment().open_reader(*client_));
        reader_->on_waiting([this] { notifier_.ring(); });
    }
    return reader_;
}

void Session::answer_failure(const Error& error) {
    std::array<std::byte, 1024> buffer;
    send(protocol::encode_failure(buffer, opcode_, sequence_, error.code, error.text), -1);
}

// A reply fits the socket's buffer (Server), and there is room in it: who does not read its replies is no client.
void Session::send(protocol::Bytes packet, int descriptor) {
    const std::span<const int> descriptors(&descriptor, descriptor < 0 ? 0u : 1u);
    if (!connection_.send(packet, descriptors, protocol::Deadline::passed())) ended_ = true;
}

}  // namespace smmu::daemon
