// SPDX-License-Identifier: Apache-2.0
// How long it takes from a refused access until the client's code runs that wanted to know, by each way in which a
// client can be told, in turn with the least that it could take: an eventfd written by another process, and the kernel's
// own way of telling that is used (a message to a queue, a signal, a packet). And how often a client is woken by many
// refusals at once. On a machine without hardware, whose unit notes inside the service when it handed a refusal over: no
// process is rung for it. Sender and receiver are pinned to processors of their own.
//
//   notification [rounds]
//
// rooms: daemon client protocol
#include <mqueue.h>
#include <semaphore.h>
#include <smmu_ext.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#include <functional>
#include <span>

#include "null/fault_log.hpp"
#include "protocol/doorbell.hpp"
#include "stage.hpp"

namespace {

using namespace bench;

constexpr unsigned receiver = 0, sender = 1;  // processors
constexpr unsigned burst = 64;

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

void wait_for_ring(int channel) {
    if (!becomes_readable(channel, int(patience.count()) * 1000)) give_up("the channel stays quiet");
    called_at.store(monotonic_ns());
}

// A process that rings when asked, some time later: everybody sleeps by then.
class Floor {
public:
    // `ring` runs in the other process, `wait` in this one until it was rung.
    Floor(const char* name, std::function<void()> ring, std::function<void()> wait)
        : name_(name), asked_(eventfd(0, EFD_CLOEXEC)), wait_(std::move(wait)) {
        void* const start = mmap(nullptr, sizeof *sent_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (start == MAP_FAILED || !asked_) give_up("no eventfd");
        sent_ = new (start) std::atomic<std::uint64_t>(0);
        process_ = Process::running([&] {
            std::uint64_t number = 0;
            while (read(asked_.get(), &number, sizeof number) == sizeof number) {
                usleep(2000);
                sent_->store(monotonic_ns());
                ring();
            }
        });
        pin(process_.pid(), sender);
    }
    void measure() {
        const std::uint64_t number = 1;
        if (write(asked_.get(), &number, sizeof number) != sizeof number) give_up("the other process has ended");
        wait_();
        microseconds_.push_back(double(called_at.load() - sent_->load()) / 1e3);
    }
    const char* name() const { return name_; }
    const std::vector<double>& microseconds() const { return microseconds_; }

private:
    const char* name_;
    smmu::UniqueFd asked_;
    std::function<void()> wait_;
    std::atomic<std::uint64_t>* sent_ = nullptr;
    Process process_;
    std::vector<double> microseconds_;
};

smmu::UniqueFd make_queue() {
    mq_attr attributes{};
    attributes.mq_maxmsg = attributes.mq_msgsize = 1;
    const std::string name = fmt::format("/smmu-bench-{}", getpid());
    smmu::UniqueFd queue(mq_open(name.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600, &attributes));
    mq_unlink(name.c_str());
    if (!queue) give_up("no message queue");
    return queue;
}

// The kernel's ways of telling another process something, of which the service uses all but the first.
class Ways {
    smmu::UniqueFd event_{eventfd(0, EFD_CLOEXEC)}, queue_ = make_queue();
    smmu::protocol::Checked<smmu::protocol::WakeChannel> packets_ = smmu::protocol::make_wake_channel();

public:  // their processes have the descriptors above
    Floor eventfd_read{"eventfd: read() returns", [this] { write_event(); }, [this] { read_event(); }};
    Floor queue_receive{"message queue: mq_receive() returns", [this] { smmu::protocol::fire_notification(queue_.get()); },
                        [this] { receive_message(); }};
    Floor kill_handled{"kill(): the handler runs", [client = getpid()] { kill(client, SIGUSR1); }, wait_until_called};
    Floor packet_polled{"packet: poll() returns", [this] { smmu::protocol::ring_wake_channel(packets_->theirs.get()); },
                        [this] { wait_for_packet(); }};

    std::array<Floor*, 4> all() { return {&eventfd_read, &queue_receive, &kill_handled, &packet_polled}; }

private:
    void write_event() {
        const std::uint64_t one = 1;
        if (write(event_.get(), &one, sizeof one) != sizeof one) give_up("the eventfd takes no more");
    }
    void read_event() {
        std::uint64_t number = 0;
        if (read(event_.get(), &number, sizeof number) != sizeof number) give_up("the eventfd has ended");
        called_at.store(monotonic_ns());
    }
    void receive_message() {
        if (!smmu::protocol::wait_for_notification(queue_.get())) give_up("no message came");
        called_at.store(monotonic_ns());
    }
    void wait_for_packet() {
        wait_for_ring(packets_->ours.get());
        smmu::protocol::quiet_wake_channel(packets_->ours.get());
    }
};

// A way in which the service tells its client.
struct Kind {
    const char* name;
    std::function<void()> prepare;
    std::function<void()> wait;
    const Floor& same_way;
    std::vector<double> from_unit{}, from_log{};  // us
};

double best(const std::vector<double>& values) { return *std::ranges::min_element(values); }

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

void print(Ways& ways, std::span<const Kind> kinds, int rounds) {
    const double one_way = median(ways.eventfd_read.microseconds());
    fmt::print("load {}, medians of {} in turn\n", load(), rounds);
    fmt::print("{:36} {:>9} {:>9} {:>11} {:>12} {:>24}\n", "us", "median", "best", "of eventfd", "of same way",
               "from the hardware's log");
    for (const Floor* const floor : ways.all())
        fmt::print("{:36} {:9.2f} {:9.2f} {:10.2f}x\n", floor->name(), median(floor->microseconds()),
                   best(floor->microseconds()), median(floor->microseconds()) / one_way);
    for (const Kind& kind : kinds) {
        const double middle = median(kind.from_unit);
        fmt::print("{:36} {:9.2f} {:9.2f} {:10.2f}x {:11.2f}x {:24.0f}\n", kind.name, middle, best(kind.from_unit),
                   middle / one_way, middle / median(kind.same_way.microseconds()), median(kind.from_log));
    }
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
    sem_init(&called, 0, 0);
    signal(SIGUSR1, on_signal);
    Ways ways;

    smmu_object* const object = smmu_init(0) == 0 ? smmu_obj_create(SOCF_NONE) : nullptr;
    for (unsigned i = 0; i < null_devices; ++i)
        if (object == nullptr || smmu_device_add_mmio(object, null_device(i), 0x1000) != 0)
            give_up(fmt::format("an object with devices: {}", std::strerror(errno)));
    const int channel = smmu_event_fd();
    if (channel < 0) give_up(fmt::format("smmu_event_fd: {}", std::strerror(errno)));
    std::array kinds = {
        Kind{"SIGEV_THREAD: the function runs", [] { be_notified(SIGEV_THREAD); }, wait_until_called, ways.queue_receive},
        Kind{"SIGEV_SIGNAL: the handler runs", [] { be_notified(SIGEV_SIGNAL); }, wait_until_called, ways.kill_handled},
        // The service rings the channel after it has told the client otherwise: quiet it first.
        Kind{"smmu_event_fd: poll() returns", [] { take_records(); }, [&] { wait_for_ring(channel); }, ways.packet_polled},
    };
    for (int round = 0; round < rounds; ++round) {
        for (Floor* const floor : ways.all()) floor->measure();
        for (Kind& kind : kinds) measure(kind, *log);
    }
    std::vector<double> wakes;
    for (int i = 0; i < 21; ++i) wakes.push_back(wakes_of_burst(*log, channel));

    print(ways, kinds, rounds);
    fmt::print("{} refusals at once: {:.0f} wake-ups (median), {:.0f} (most)\n", burst, median(wakes),
               *std::ranges::max_element(wakes));
    smmu_fini();
    service.end(SIGTERM);
}
