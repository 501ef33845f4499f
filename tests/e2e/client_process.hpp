// SPDX-License-Identifier: Apache-2.0
// ClientProcess: a process of its own that uses libsmmu, led by the test. It runs pieces of the
// test's code: lambdas whose captures are plain values, since the two share no memory after fork().
//
//   auto driver = test::ClientProcess::start();
//   EXPECT_TRUE(driver.init().done());
//   const auto object = driver.create();
//   EXPECT_TRUE(driver.run([] { return long{smmu_safety()}; }).done());
#pragma once

#include <grp.h>
#include <smmu_ext.h>
#include <sys/socket.h>

#include <stdexcept>
#include <type_traits>

#include "tests/e2e/service.hpp"

namespace smmu::test {

// What a call came to; `error` and `text` mean something only for -1.
struct Answer {
    long value = -1;
    int error = 0;
    char text[256] = {};

    bool done() const { return value == 0; }
    bool failed_with(int code) const { return value == -1 && error == code; }
};
inline void PrintTo(const Answer& answer, std::ostream* out) {
    *out << answer.value << " (" << strerror(answer.error) << ": " << answer.text << ")";
}

using Object = smmu_object*;  // means something in the client's process only

class ClientProcess {
public:
    struct Choice {
        uid_t user = 0;  // another one has no group but nogroup
        int ram = -1;    // the board's RAM, at ram_descriptor in the client
    };
    static constexpr int ram_descriptor = 4;
    static constexpr uid_t nobody = 65534;

    static ClientProcess start() { return start(Choice{}); }
    static ClientProcess start(const Choice& choice) {
        std::array<int, 2> ends{};
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0) abort();
        ClientProcess process;
        void* const shared =
            mmap(nullptr, shared_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (shared == MAP_FAILED) abort();
        process.shared_ = shared;
        process.channel_.reset(ends[0]);
        const UniqueFd theirs(ends[1]);
        const pid_t parent = getpid();
        process.pid_ = fork();
        if (process.pid_ == 0) {
            serve(parent, theirs.get(), choice);
            _exit(0);
        }
        return process;
    }
    ClientProcess() = default;
    ClientProcess(ClientProcess&& other) noexcept
        : pid_(std::exchange(other.pid_, 0)),
          channel_(std::move(other.channel_)),
          shared_(std::exchange(other.shared_, nullptr)) {}
    ClientProcess& operator=(ClientProcess&& other) noexcept {
        std::swap(pid_, other.pid_);
        std::swap(channel_, other.channel_);
        std::swap(shared_, other.shared_);
        return *this;
    }
    ~ClientProcess() {
        kill_now();
        if (shared_ != nullptr) munmap(shared_, shared_bytes);
    }

    // Memory that test and client share, at the same address; zeros at first.
    template <class T>
    T* shared() const {
        return static_cast<T*>(shared_);
    }

    pid_t pid() const { return pid_; }
    void kill_now() {
        if (pid_ > 0) {
            kill(pid_, SIGKILL);
            waitpid(pid_, nullptr, 0);
        }
        pid_ = 0;
        channel_.reset();
    }

    // Carries `piece` out in the process; it returns a long, and errno counts when that is -1.
    template <class Piece>
    Answer run(Piece piece) {
        tell(piece);
        return heard();
    }
    // The same without waiting for the end of it.
    template <class Piece>
    void tell(Piece piece) {
        static_assert(std::is_trivially_copyable_v<Piece> && sizeof(Piece) <= sizeof(Order::piece));
        Order order{&carry_out<Piece>, {}};
        std::memcpy(order.piece, &piece, sizeof piece);
        if (send(channel_.get(), &order, sizeof order, MSG_NOSIGNAL) != ssize_t(sizeof order))
            throw std::runtime_error("the client process is gone");
    }
    Answer heard() {
        Answer answer;
        pollfd polled{channel_.get(), POLLIN, 0};
        constexpr int milliseconds = 30'000;
        if (poll(&polled, 1, milliseconds) <= 0 ||
            recv(channel_.get(), &answer, sizeof answer, 0) != ssize_t(sizeof answer))
            throw std::runtime_error("the client process does not answer");
        return answer;
    }

    Answer init() {
        return run([] { return long{smmu_init(0)}; });
    }
    Answer fini() {
        return run([] { return smmu_fini(), 0L; });
    }
    Object create(unsigned flags = SOCF_NONE) {
        const Answer answer = run([flags] {
            const Object object = smmu_obj_create(flags);
            return object == nullptr ? -1L : reinterpret_cast<long>(object);
        });
        return answer.value == -1 ? nullptr : reinterpret_cast<Object>(answer.value);
    }
    Answer destroy(Object object) {
        return run([object] { return long{smmu_obj_destroy_checked(object)}; });
    }
    Answer add(Object object, Function device) {
        return run([object, device] {
            return long{smmu_device_add_pci(object, device.bus, device.device, device.function)};
        });
    }
    Answer remove(Function device) { return add(nullptr, device); }
    Answer map(Object object, std::uint64_t address, std::uint64_t length,
               unsigned flags = SMF_READ | SMF_WRITE, std::uint64_t target = 0) {
        return run([=] {
            smmu_map_entry entry{};
            entry.phys = address;
            entry.len = length;
            return long{smmu_mapping_add(object, flags, 0, 1, &entry, target)};
        });
    }
    Answer unmap(Object object, std::uint64_t address, std::uint64_t length) {
        return map(object, address, length, SMF_NONE);
    }
    // An object with one device in it; nullptr when that fails.
    Object own(Function device, unsigned flags = SOCF_NONE) {
        const Object object = create(flags);
        return object != nullptr && add(object, device).done() ? object : nullptr;
    }

    // The records that wait for the client, oldest first.
    std::vector<smmu_event> events() {
        constexpr unsigned most = 64;
        auto* const events = shared<smmu_event>();
        const Answer answer = run([events] {
            events->size = sizeof(smmu_event);
            return long{smmu_event_read(events, most)};
        });
        if (answer.value < 0) throw std::runtime_error(answer.text);
        return {events, events + answer.value};
    }
    // The one record that comes next; the test fails without.
    smmu_event next_event() {
        const Instant deadline = std::chrono::steady_clock::now() + patience;
        while (std::chrono::steady_clock::now() < deadline) {
            const auto taken = events();
            if (taken.size() > 1) throw std::runtime_error("more than one record waits");
            if (taken.size() == 1) return taken.front();
            usleep(1000);
        }
        throw std::runtime_error("no record comes");
    }

private:
    static constexpr std::size_t shared_bytes = 64 * 1024;

    struct Order {
        Answer (*carry_out)(const std::byte*);
        alignas(16) std::byte piece[128];
    };

    template <class Piece>
    static Answer carry_out(const std::byte* bytes) {
        alignas(Piece) std::byte copy[sizeof(Piece)];
        std::memcpy(copy, bytes, sizeof copy);
        Answer answer;
        errno = 0;
        answer.value = (*reinterpret_cast<Piece*>(copy))();
        answer.error = errno;
        strncpy(answer.text, smmu_strerror_last(), sizeof answer.text - 1);
        return answer;
    }

    // Only the channel and the board's RAM are inherited: a client must not keep a board alive.
    static void serve(pid_t parent, int channel, const Choice& choice) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent) return;
        constexpr int kept = 60;  // above everything that is put in its place
        const int channel_copy = fcntl(channel, F_DUPFD, kept);
        const int ram_copy = choice.ram >= 0 ? fcntl(choice.ram, F_DUPFD, kept) : -1;
        dup2(channel_copy, 3);
        if (ram_copy >= 0) dup2(ram_copy, ram_descriptor);
        close_range(ram_copy >= 0 ? 5 : 4, ~0u, 0);
        if (choice.user != 0 &&
            (setgroups(0, nullptr) != 0 || setresgid(choice.user, choice.user, choice.user) != 0 ||
             setresuid(choice.user, choice.user, choice.user) != 0))
            return;
        prctl(PR_SET_PDEATHSIG, SIGKILL);  // a change of user forgets it
        Order order;
        while (recv(3, &order, sizeof order, 0) == ssize_t(sizeof order)) {
            const Answer answer = order.carry_out(order.piece);
            if (send(3, &answer, sizeof answer, MSG_NOSIGNAL) != ssize_t(sizeof answer)) return;
        }
    }

    pid_t pid_ = 0;
    UniqueFd channel_;
    void* shared_ = nullptr;
};

}  // namespace smmu::test
