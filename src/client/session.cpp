// SPDX-License-Identifier: Apache-2.0
#include "client/session.hpp"

#include <pthread.h>

#include <cerrno>
#include <cstdlib>

#include "client/service_identity.hpp"

namespace smmu::client {

using protocol::Checked;
using protocol::Deadline;
using protocol::Failure;
using protocol::Opcode;
using protocol::refuse;

namespace {

// Never destroyed: a thread may still be inside the library while the process ends.
union Immortal {
    constexpr Immortal() : session() {}
    constexpr ~Immortal() {}
    Session session;
};
constinit Immortal the;
constinit pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
constinit bool watches_fork = false;

// The lock may be held by a thread that does not exist in the child.
void after_fork_in_child() {
    lock = PTHREAD_MUTEX_INITIALIZER;
    the.session.abandon();
}

const char* socket_path() {
    const char* chosen = secure_getenv("SMMUMAN_SOCKET");
    return chosen != nullptr ? chosen : protocol::default_socket;
}

}  // namespace

Use::Use() {
    pthread_mutex_lock(&lock);
    if (the.session.belongs_to_another_process()) the.session.abandon();
}
Use::~Use() {
    pthread_mutex_unlock(&lock);
}
Session* Use::operator->() const {
    return &the.session;
}
Session& Use::operator*() const {
    return the.session;
}

Checked<int> Session::begin() {
    if (connection_ && connection_.peer_gone()) lose();
    if (!connection_) {
        if (const auto done = connect(); !done) return std::unexpected(done.error());
    }
    ++uses_;
    return 0;
}

void Session::end() {
    if (uses_ == 0 || --uses_ != 0) return;
    while (smmu_object* object = objects.any()) {
        const protocol::ObjectDestroyRequest request{objects.find(object).value_or(0), 0};
        if (connection_) (void)call(Opcode::object_destroy, request);
        objects.remove(object);
    }
    lose();
    wake_channel.reset();
}

Checked<> Session::connected() const {
    if (connection_) return {};
    if (uses_ == 0)
        return refuse(ENOTCONN, "this process is not connected; call smmu_init(0) first");
    return refuse(ENOTCONN,
                  "the connection to the service has ended; call smmu_init(0) to connect anew");
}

Checked<std::uint32_t> Session::number_of(const smmu_object* object) const {
    if (const auto ready = connected(); !ready) return std::unexpected(ready.error());
    if (const auto number = objects.find(object)) return *number;
    return refuse(EINVAL,
                  "the object does not exist: destroyed, or created before the service restarted");
}

Checked<> Session::connect() {
    if (!watches_fork) {
        if (pthread_atfork(nullptr, nullptr, after_fork_in_child) != 0)
            return refuse(ENOMEM, "no memory to prepare for fork()");
        watches_fork = true;
    }
    const Deadline deadline = Deadline::after(patience.connect);
    auto opened = protocol::Connection::open(socket_path(), deadline);
    if (!opened) return std::unexpected(opened.error());
    if (const auto trusted = check_service(opened->fd()); !trusted)
        return std::unexpected(trusted.error());
    if (!this_process_.set()) return refuse(ENOMEM, "no memory to tell a forked process from this one");
    connection_ = std::move(*opened);
    wake_channel_current = false;
    const auto greeted = greet(deadline);
    if (!greeted) lose();
    return greeted;
}

Checked<> Session::greet(const Deadline& deadline) {
    const protocol::HelloRequest hello{protocol::protocol_version, protocol::protocol_version};
    const auto packet = protocol::encode_request(buffer_, Opcode::hello, ++sequence_, hello);
    const auto reply = exchange(Opcode::hello, packet, -1, deadline);
    if (!reply) {
        // The service closes at once on somebody whom it does not admit and cannot tell so.
        if (reply.error().code == ENOTCONN)
            return refuse(EPERM, "the service has closed the connection at once");
        return std::unexpected(reply.error());
    }
    if (protocol::body_as<protocol::HelloReply>(reply->body).version != protocol::protocol_version)
        return refuse(EPROTO, "the service speaks another generation of the protocol");
    return {};
}

Checked<protocol::Reply> Session::exchange(Opcode opcode, protocol::Bytes packet, int descriptor,
                                           const Deadline& deadline) {
    const std::span<const int> descriptors(&descriptor, descriptor >= 0 ? 1 : 0);
    Failure failure{};
    if (const auto sent = connection_.send(packet, descriptors, deadline); !sent) {
        failure = sent.error();
        // Nothing has left: a descriptor of the caller's is at fault, not the connection.
        if (failure.code != EAGAIN && failure.code != ENOTCONN) return std::unexpected(failure);
    } else if (const auto received = receive(opcode, deadline); !received) {
        failure = received.error();
    } else {
        auto reply = protocol::decode_reply(*received, descriptors_.size(), opcode, sequence_);
        if (!reply && reply.error().code == EPROTO) lose();
        return reply;
    }
    // Without an answer nobody knows what the service did; ending the connection revokes all of it.
    lose();
    if (failure.code == EAGAIN) return refuse(ETIMEDOUT, "the service does not answer in time");
    return std::unexpected(failure);
}

Checked<protocol::Bytes> Session::receive(Opcode opcode, const Deadline& deadline) {
    descriptors_.clear();
    if (protocol::find_command(std::uint16_t(opcode))->reply_descriptors == 0)
        return connection_.receive_bytes(buffer_, deadline);
    return connection_.receive(buffer_, descriptors_, deadline);
}

void Session::lose() {
    connection_.close();
    descriptors_.clear();
    objects.clear();
    notification.reset();
    wake_channel_current = false;
}

void Session::abandon() {
    objects.abandon();
    notification.abandon();
    lose();
    wake_channel.reset();
    uses_ = 0;
}

bool Session::belongs_to_another_process() const {
    return uses_ != 0 && !this_process_.is_set();
}

}  // namespace smmu::client
