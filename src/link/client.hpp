// SPDX-License-Identifier: Apache-2.0
// Client: one connection to a board, from the side of whoever uses its registers and memory.
//
// A board is hardware: when it is gone, reads give all ones and writes vanish, and alive() says so.
// A client that waited in vain for an answer gives its connection up, so that a late answer is
// never taken for another's. Not for use by several threads at once; each takes a client of its
// own.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "link/codec.hpp"
#include "link/packet_socket.hpp"

namespace smmu::link {

class Client {
public:
    // Longer than any stop of a tap may last, so that a tap does not make a board look dead.
    static constexpr Nanoseconds usual_patience = std::chrono::seconds(30);

    // ENXIO when no board listens at `path`, EPROTO when it speaks another version. Every later
    // wait for an answer ends after `patience`.
    static Result<std::unique_ptr<Client>> connect(const std::string& path,
                                                   Nanoseconds patience = usual_patience);

    bool alive() const noexcept;
    int descriptor() const {
        return socket_.descriptor();
    }  // for an event loop: hangs up with the board
    const MachineDescription& machine() const { return machine_; }

    // Carries out the operations in order; nothing of another client comes between those of one
    // packet (max_operations of them). `values` takes one value for each reading operation. False:
    // the board is gone, and the values that did not arrive are all ones.
    bool perform(std::span<const Operation> operations, std::span<std::uint64_t> values) noexcept;

    std::uint64_t read(PhysAddr address, std::uint8_t bytes) noexcept;
    void write(PhysAddr address, std::uint8_t bytes, std::uint64_t value) noexcept;
    std::uint32_t port_in(std::uint16_t port, std::uint8_t bytes) noexcept;
    void port_out(std::uint16_t port, std::uint8_t bytes, std::uint32_t value) noexcept;

    // The file that is the board's RAM; to be mapped shared.
    Result<UniqueFd> ram();
    Result<std::vector<FirmwareTable>> firmware_tables();
    // Makes this connection the one that drives the board's IOMMU, until it closes. EBUSY: another
    // does.
    Result<void> claim();
    // The board ends.
    Result<void> shut_down();

    // Makes this connection the tap: after every write of another connection into `range` the board
    // stops, tells the tap, and serves only the tap's accesses until resume(). A tap that lets the
    // board wait for max_stop is closed. EBUSY: there is a tap already.
    Result<void> tap(PhysRange range);
    // The next stop; nothing when none came within `patience`.
    Result<std::optional<Stop>> wait_for_stop(Nanoseconds patience);
    Result<void> resume(const Stop& stop, Fate fate = Fate::go_on);

private:
    Client(PacketSocket socket, std::string path, Nanoseconds patience)
        : socket_(std::move(socket)), path_(std::move(path)), patience_(patience) {}

    // Sends a request and gives its answer's packet; an answer with a status becomes an error.
    Result<PacketSocket::Received> ask(Kind kind, const Packet& request, std::string_view what);
    bool perform_packet(std::span<const Operation> operations,
                        std::span<std::uint64_t> values) noexcept;

    PacketSocket socket_;
    std::string path_;
    Nanoseconds patience_;
    MachineDescription machine_;
    std::optional<Stop> stop_;  // came while an answer was waited for
    bool given_up_ = false;
};

}  // namespace smmu::link
