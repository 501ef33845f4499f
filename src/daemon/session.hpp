// SPDX-License-Identifier: Apache-2.0
// Session: one connection, that is one client process: its requests in order, one at a time. While an operation
// of it is carried out in steps, no further packet of it is read.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "base/clock.hpp"
#include "containment/containment.hpp"
#include "daemon/notifier.hpp"
#include "protocol/connection.hpp"

namespace smmu::daemon {

class Service;

class Session {
public:
    // `client` is the error with which hello will be answered when this peer may not connect.
    Session(Service& service, protocol::Connection connection, Result<ClientId> client, Instant now);
    ~Session();  // everything of the client is blocked and let go
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    int fd() const { return connection_.fd(); }
    bool working() const { return operation_ != nullptr; }
    // Its peer may not connect, or it has not said hello by `now`: it can be ended.
    bool overdue(Instant now) const;
    bool is_client() const { return greeted_ && client_.has_value(); }

    // One packet is there. False: end the session.
    bool receive();
    // Goes on with the operation. False: end the session.
    bool step(units::Budget& budget);

private:
    using Handler = Result<void> (Session::*)(const protocol::Request&, protocol::Descriptors&);
    static Handler handler_of(protocol::Opcode opcode);

    Result<void> hello(const protocol::Request&, protocol::Descriptors&);
    Result<void> object_create(const protocol::Request&, protocol::Descriptors&);
    Result<void> object_destroy(const protocol::Request&, protocol::Descriptors&);
    Result<void> device_add(const protocol::Request&, protocol::Descriptors&);
    Result<void> device_remove(const protocol::Request&, protocol::Descriptors&);
    Result<void> mapping(const protocol::Request&, protocol::Descriptors&);
    Result<void> mapping_descriptor(const protocol::Request&, protocol::Descriptors&);
    Result<void> report_reserved(const protocol::Request&, protocol::Descriptors&);
    Result<void> safety(const protocol::Request&, protocol::Descriptors&);
    Result<void> notify(const protocol::Request&, protocol::Descriptors&);
    Result<void> wake_channel(const protocol::Request&, protocol::Descriptors&);
    Result<void> events(const protocol::Request&, protocol::Descriptors&);
    Result<void> device_descriptor(const protocol::Request&, protocol::Descriptors&);
    Result<void> query(const protocol::Request&, protocol::Descriptors&);
    Result<void> administer(const protocol::Request&, protocol::Descriptors&);

    bool reads_its_replies() const;
    bool handle(const protocol::Request& request, protocol::Descriptors& descriptors);
    Result<containment::Reader*> reader();
    void begin(std::shared_ptr<containment::Operation> operation) { operation_ = std::move(operation); }
    // Answers the request that is being handled; the connection ends when the client does not take it.
    template <class Reply>
    void answer(const Reply& reply, protocol::Bytes payload = {}, int descriptor = -1);
    void answer_done();
    void answer_failure(const Error& error);
    void send(protocol::Bytes packet, int descriptor);

    Service& service_;
    protocol::Connection connection_;
    Result<ClientId> client_;
    Instant since_;
    bool greeted_ = false;
    bool ended_ = false;

    std::uint16_t opcode_ = 0;  // of the request being handled
    std::uint32_t sequence_ = 0;
    std::shared_ptr<containment::Operation> operation_;

    containment::Reader* reader_ = nullptr;
    Notifier notifier_;
};

}  // namespace smmu::daemon
