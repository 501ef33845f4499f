// SPDX-License-Identifier: Apache-2.0
// How long it takes from a refused access until the client's code runs that wanted to know, by each way in which a
// client can be told, in turn with the least that it could take: an eventfd written by another process. And how often
// a client is woken by many refusals at once. On a machine without hardware, whose unit notes when it handed a refusal
// over; sender and receiver are pinned to processors of their own.
//
//   notification [rounds]
//
// rooms: daemon client protocol
#include <semaphore.h>
#include <smmu_ext.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#include <functional>

#include "null/fault_log.hpp"
#include "stage.hpp"

namespace {

using namespace bench;

constexpr unsigned receiver = 0, sender = 1;  // processors
constexpr unsigned burst = 64;

// A process that writes to an eventfd when asked, some time later: everybody sleeps by then.
class Floor {
public:
    Floor() : asked_(eventfd(0, EFD_CLOEXEC)), told_(eventfd(0, EFD_CLOEXEC)) {
        void* const start = mmap(nullptr, sizeof *sent_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (start == MAP_FAILED || !asked_ || !told_) give_up("no eventfd");
        sent_ = new (start) std::atomic<std::uint64_t>(0);
        process_ = Process::running([&] {
            std::uint64_t number = 0;
            while (read(asked_.get(), &number, sizeof number) == sizeof number) {
                usleep(2000);
                sent_->store(monotonic_ns());
                number = 1;
                if (write(told_.get(), &number, sizeof number) != sizeof number) return;
            }
        });
        pin(process_.pid(), sender);
    }
    // Nanoseconds one way.
    double measure() {
        std::uint64_t number = 1;
        if (write(asked_.get(), &number, sizeof number) != sizeof number ||
            read(told_.get(), &number, sizeof number) != sizeof number)
            give_up("the other process has ended");
        return double(monotonic_ns() - sent_->load());
    }

private:
    smmu::UniqueFd asked_, told_;
    std::atomic<std::uint64_t>* sent_ = nullptr;
    Process process_;
};

// When the client's code ran.
sem_t called;
std::atomic<std::uint64_t> called_at{0};
std::atomic<unsigned> calls{0};

void on_refusal() {
    called_at.store(monotonic_ns());
    ++calls;
    sem_post(&called);
}
void on_thread(sigval) { on_refusal(); }
void on_signal(int) { on_refusal(); }

void wait_until_called() {
    timespec until{};
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += patience.count();
    while (sem_timedwait(&called, &until) != 0)
        if (errno != EINTR) give_up("no notification came");
}

void be_notified(int kind) {
    sigevent event{};
    event.sigev_notify = kind;
    if (kind == SIGEV_SIGNAL) event.sigev_signo = SIGUSR1;
    if (kind == SIGEV_THREAD) event.sigev_notify_function = on_thread;
    if (smmu_xfer_notify(&event) != 0) give_up(fmt::format("smmu_xfer_notify: {}", std::strerror(errno)));
}

unsigned take_records() {
    std::array<smmu_event, burst> records{};
    records[0].size = sizeof(smmu_event);
    const int taken = smmu_event_read(records.data(), unsigned(records.size()));
    if (taken < 0) give_up(fmt::format("smmu_event_read: {}", std::strerror(errno)));
    return unsigned(taken);
}

bool becomes_readable(int descriptor, int wait_milliseconds) {
    pollfd polled{descriptor, POLLIN, 0};
    return poll(&polled, 1, wait_milliseconds) == 1;
}

struct Kind {
    const char* name;
    std::function<void()> prepare;
    std::function<void()> wait;
    std::vector<double> from_unit{}, from_log{};  // us
};

// One refusal, from the two moments on.
void measure(Kind& kind, FaultLog& log) {
    kind.prepare();
    usleep(2000);
    const std::uint64_t visible = monotonic_ns();
    ++log.refused;
    kind.wait();
    kind.from_unit.push_back(double(called_at.load() - log.handed_over.load()) / 1e3);
    kind.from_log.push_back(double(called_at.load() - visible) / 1e3);
    if (take_records() != 1) give_up("one refusal must be one record");
}

// How often the client is woken until it has every record of a burst.
unsigned wakes_of_burst(FaultLog& log, int channel) {
    log.refused += burst;
    unsigned wakes = 0;
    for (unsigned taken = 0; taken < burst; ++wakes) {
        if (!becomes_readable(channel, int(patience.count()) * 1000)) give_up("a burst was not told");
        taken += take_records();
    }
    while (becomes_readable(channel, 20)) {
        ++wakes;
        take_records();
    }
    return wakes;
}

}  // namespace

int main(int count, char** words) {
    const int rounds = count > 1 ? std::max(1, std::atoi(words[1])) : 151;
    const Directory directory;
    setenv(fault_log_variable, directory.file("faults").c_str(), 1);
    Service service(directory, "32M");
    FaultLog* const log = map_fault_log(directory.file("faults").c_str());
    if (log == nullptr) give_up("no file for the fault log");
    pin(service.pid(), sender);
    pin(getpid(), receiver);
    Floor floor;
    sem_init(&called, 0, 0);
    signal(SIGUSR1, on_signal);

    smmu_object* const object = smmu_init(0) == 0 ? smmu_obj_create(SOCF_NONE) : nullptr;
    for (unsigned i = 0; i < null_devices; ++i)
        if (object == nullptr || smmu_device_add_mmio(object, null_device(i), 0x1000) != 0)
            give_up(fmt::format("an object with devices: {}", std::strerror(errno)));
    const int channel = smmu_event_fd();
    if (channel < 0) give_up(fmt::format("smmu_event_fd: {}", std::strerror(errno)));
    std::array kinds = {
        Kind{"SIGEV_THREAD: the function runs", [] { be_notified(SIGEV_THREAD); }, wait_until_called},
        Kind{"SIGEV_SIGNAL: the handler runs", [] { be_notified(SIGEV_SIGNAL); }, wait_until_called},
        // The service rings the channel after it has told the client otherwise: quiet it first.
        Kind{"smmu_event_fd: poll() returns", [] { take_records(); },
             [&] {
                 if (!becomes_readable(channel, int(patience.count()) * 1000)) give_up("the channel stays quiet");
                 called_at.store(monotonic_ns());
             }},
    };
    std::vector<double> eventfd_one_way;
    for (int round = 0; round < rounds; ++round) {
        eventfd_one_way.push_back(floor.measure() / 1e3);
        for (Kind& kind : kinds) measure(kind, *log);
    }
    std::vector<double> wakes;
    for (int i = 0; i < 21; ++i) wakes.push_back(wakes_of_burst(*log, channel));

    const double one_way = median(eventfd_one_way);
    fmt::print("load {}, medians of {} in turn\n", load(), rounds);
    fmt::print("{:34} {:>9} {:>9} {:>11} {:>22}\n", "us", "median", "best", "of eventfd", "from the hardware's log");
    fmt::print("{:34} {:9.2f} {:9.2f}\n", "eventfd of another process", one_way,
               *std::ranges::min_element(eventfd_one_way));
    for (const Kind& kind : kinds)
        fmt::print("{:34} {:9.2f} {:9.2f} {:10.2f}x {:22.0f}\n", kind.name, median(kind.from_unit),
                   *std::ranges::min_element(kind.from_unit), median(kind.from_unit) / one_way, median(kind.from_log));
    fmt::print("{} refusals at once: {:.0f} wake-ups (median), {:.0f} (most)\n", burst, median(wakes),
               *std::ranges::max_element(wakes));
    smmu_fini();
    service.end(SIGTERM);
}
