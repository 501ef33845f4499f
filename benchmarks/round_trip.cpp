// SPDX-License-Identifier: Apache-2.0
// What a call of libsmmu costs, in turn with the least that it could cost: packets of the same size
// between two processes, and the same behind an event loop. Caller and server are pinned to
// processors of their own. Once on a machine without hardware, once on an emulated board, where a
// removal waits for the unit.
//
//   round_trip [rounds]
//
// rooms: daemon client protocol
#include <smmu.h>
#include <systemd/sd-event.h>

#include <functional>

#include "protocol/wire.hpp"
#include "stage.hpp"

namespace {

using namespace bench;

constexpr std::size_t request_bytes = sizeof(smmu::protocol::Header) +
                                      sizeof(smmu::protocol::MappingRequest) +
                                      sizeof(smmu::protocol::Entry);
constexpr std::size_t reply_bytes =
    sizeof(smmu::protocol::Header) + sizeof(smmu::protocol::Outcome);
constexpr unsigned caller = 0, server = 1;  // processors

// Answers one packet; false when the other end is closed.
bool answer_one(int socket) {
    std::array<std::byte, request_bytes> packet;
    if (recv(socket, packet.data(), packet.size(), 0) <= 0) return false;
    return send(socket, packet.data(), reply_bytes, MSG_NOSIGNAL) == ssize_t(reply_bytes);
}

void serve_plainly(int socket) {
    while (answer_one(socket)) continue;
}

void serve_in_event_loop(int socket) {
    sd_event* loop = nullptr;
    sd_event_source* source = nullptr;
    const auto on_packet = [](sd_event_source* from, int descriptor, std::uint32_t, void*) {
        return answer_one(descriptor) ? 0 : sd_event_exit(sd_event_source_get_event(from), 0);
    };
    if (sd_event_new(&loop) < 0 ||
        sd_event_add_io(loop, &source, socket, POLLIN, on_packet, nullptr) < 0)
        return;
    sd_event_loop(loop);
    sd_event_source_unref(source);
    sd_event_unref(loop);
}

// A process that answers packets, and this one's end of the socket to it.
class Echo {
public:
    explicit Echo(void (*serve)(int)) {
        std::array<int, 2> ends{};
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0)
            give_up("no pair of sockets");
        socket_.reset(ends[0]);
        const smmu::UniqueFd other(ends[1]);
        process_ = Process::running([&] {
            socket_.reset();
            serve(other.get());
        });
        pin(process_.pid(), server);
    }
    void round_trip() {
        std::array<std::byte, request_bytes> packet{};
        if (send(socket_.get(), packet.data(), packet.size(), MSG_NOSIGNAL) < 0 ||
            recv(socket_.get(), packet.data(), packet.size(), 0) != ssize_t(reply_bytes))
            give_up("the echo has ended");
    }

private:
    Process process_;
    smmu::UniqueFd socket_;
};

// A client's object with a device and a grant.
class Client {
public:
    explicit Client(int (*add_device)(smmu_object*)) {
        if (smmu_init(0) != 0) give_up(fmt::format("smmu_init: {}", std::strerror(errno)));
        object_ = smmu_obj_create(SOCF_NONE);
        if (object_ == nullptr || add_device(object_) != 0)
            give_up(fmt::format("the device: {}", std::strerror(errno)));
        map(granted, SMF_READ | SMF_WRITE);
    }
    ~Client() { smmu_fini(); }
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    void repeat_grant() { map(granted, SMF_READ | SMF_WRITE); }
    // A page that was not granted is, and the next time is not any more: where tables hold another, and where they come
    // and go with it.
    void turn_page_beside() { turn(beside_); }
    void turn_page_alone() { turn(alone_); }

private:
    struct Page {
        std::uint64_t address;
        bool granted = false;
    };
    static constexpr std::uint64_t granted = 0x200'0000, page = 0x1000;

    void turn(Page& other) {
        other.granted = !other.granted;
        map(other.address, other.granted ? SMF_READ | SMF_WRITE : SMF_NONE);
    }

    void map(std::uint64_t address, unsigned flags) {
        smmu_map_entry entry{};
        entry.phys = address;
        entry.len = page;
        if (smmu_mapping_add(object_, flags, 0, 1, &entry, 0) != 0)
            give_up(fmt::format("smmu_mapping_add: {}", std::strerror(errno)));
    }
    smmu_object* object_ = nullptr;
    Page beside_{0x210'0000}, alone_{0x240'0000};
};

struct Kind {
    const char* name;
    int calls;  // in one block
    std::function<void()> call;
    std::vector<double> microseconds{};

    // A block counts as its median call: what else the machine does now and then is left out.
    void measure() {
        std::vector<double> block;
        for (int i = 0; i < calls; ++i) {
            const auto begun = Clock::now();
            call();
            block.push_back(1000 * milliseconds(Clock::now() - begun));
        }
        microseconds.push_back(median(std::move(block)));
    }
};

// The service next to the floors, in turn.
void compare(const char* where, const Service& service, int (*add_device)(smmu_object*), int rounds) {
    pin(service.pid(), server);
    pin(getpid(), caller);
    Echo plain(serve_plainly), loop(serve_in_event_loop);
    Client client(add_device);
    std::array kinds = {
        Kind{"packet to a process and back", 200, [&] { plain.round_trip(); }},
        Kind{"the same behind an event loop", 200, [&] { loop.round_trip(); }},
        Kind{"a grant repeated (nothing to do)", 200, [&] { client.repeat_grant(); }},
        Kind{"a page granted or removed", 200, [&] { client.turn_page_beside(); }},
        Kind{"the same, its tables come and go", 200, [&] { client.turn_page_alone(); }},
    };
    for (int round = 0; round < rounds; ++round)
        for (Kind& kind : kinds) kind.measure();

    const double floor = median(kinds[0].microseconds), behind_loop = median(kinds[1].microseconds);
    fmt::print("{}: load {}, medians of {} blocks in turn, packets of {} and {} bytes\n", where, load(), rounds,
               request_bytes, reply_bytes);
    fmt::print("{:34} {:>9} {:>9} {:>10} {:>10}\n", "", "us", "best", "of packet", "of loop");
    for (const Kind& kind : kinds) {
        const double middle = median(kind.microseconds);
        fmt::print("{:34} {:9.2f} {:9.2f} {:9.2f}x {:9.2f}x\n", kind.name, middle,
                   *std::ranges::min_element(kind.microseconds), middle / floor,
                   middle / behind_loop);
    }
}

}  // namespace

int main(int count, char** words) {
    const int rounds = count > 1 ? std::max(1, std::atoi(words[1])) : 41;
    const Directory directory;
    // In a process of its own: the board must not inherit where this one is pinned.
    Process::running([&] {
        Service service(directory, "32M");
        compare("without hardware", service,
                [](smmu_object* object) { return smmu_device_add_mmio(object, null_device(0), 0x1000); }, rounds);
        service.end(SIGTERM);
        std::fflush(stdout);
    }).wait();
    const Board board(directory);
    Service service(directory, board);
    compare("on an emulated board", service, [](smmu_object* object) { return smmu_device_add_pci(object, 0, 3, 0); },
            rounds);
    service.end(SIGTERM);
}
