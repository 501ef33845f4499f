// SPDX-License-Identifier: Apache-2.0
// Session: what this process has with the service: the connection, how often smmu_init was called,
// the objects. There is one, used under its lock.
#pragma once

#include <array>
#include <chrono>

#include "client/fork_mark.hpp"
#include "client/object_registry.hpp"
#include "client/registration.hpp"
#include "protocol/connection.hpp"

namespace smmu::client {

// How long to wait for the service; tests shorten it.
struct Patience {
    std::chrono::milliseconds connect{5'000};
    // Tables for a million ranges may take long; beyond this the service is given up.
    std::chrono::milliseconds request{60'000};
};

class Session {
public:
    constexpr Session() = default;

    // One smmu_init and one smmu_fini.
    protocol::Checked<int> begin();
    void end();

    // ENOTCONN unless requests can be made.
    protocol::Checked<> connected() const;
    // The service's number of an object: ENOTCONN, EINVAL.
    protocol::Checked<std::uint32_t> number_of(const smmu_object* object) const;

    // One request and its reply, which lies in this session until the next call. When the service
    // cannot be understood or does not answer, the connection ends.
    template <class Request>
    protocol::Checked<protocol::Reply> call(protocol::Opcode opcode, const Request& body,
                                            protocol::Bytes payload = {}, int descriptor = -1) {
        if (const auto ready = connected(); !ready) return std::unexpected(ready.error());
        const auto packet = protocol::encode_request(buffer_, opcode, ++sequence_, body, payload);
        return exchange(opcode, packet, descriptor, protocol::Deadline::after(patience.request));
    }
    // The descriptor that came with the last reply.
    UniqueFd take_descriptor() { return descriptors_.take(0); }

    // After fork(): this process has no connection. Closes the copies of the parent's descriptors.
    void abandon();
    bool belongs_to_another_process() const;

    ObjectRegistry objects;
    Registration notification;  // what smmu_xfer_notify has armed
    UniqueFd wake_channel;  // what smmu_event_fd returned
    bool wake_channel_current =
        false;  // the service at the other end is the one of this connection
    Patience patience;

private:
    protocol::Checked<> connect();
    protocol::Checked<> greet(const protocol::Deadline& deadline);
    protocol::Checked<protocol::Reply> exchange(protocol::Opcode opcode, protocol::Bytes packet,
                                                int descriptor, const protocol::Deadline& deadline);
    protocol::Checked<protocol::Bytes> receive(protocol::Opcode opcode, const protocol::Deadline& deadline);
    void lose();

    protocol::Connection connection_;
    unsigned uses_ = 0;
    ForkMark this_process_;  // that connected
    std::uint32_t sequence_ = 0;
    protocol::Descriptors descriptors_;
    alignas(8) std::array<std::byte, protocol::packet_limit> buffer_{};
};

// The session while this thread may use it.
class Use {
public:
    Use();
    ~Use();
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;
    Session* operator->() const;
    Session& operator*() const;
};

}  // namespace smmu::client
