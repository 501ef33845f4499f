// SPDX-License-Identifier: Apache-2.0
// Whether one client's large request holds up another's small one: a page granted or removed by one client while
// another maps 64 GiB by 4 KiB leaves, next to the same while nobody else asks. And what the large request costs
// beside filling the tables alone. On a machine without hardware.
//
//   slices [rounds]
//
// rooms: daemon client protocol
#include <smmu.h>
#include <sys/mman.h>

#include <atomic>

#include "null/unit.hpp"
#include "stage.hpp"

namespace {

using namespace bench;

constexpr std::uint64_t region_at = std::uint64_t{64} << 30, region_bytes = std::uint64_t{64} << 30;
constexpr const char* table_bytes = "512M";  // a user may have half of it
constexpr unsigned caller = 0, server = 1;   // processors

void grant(smmu_object* object, std::uint64_t address, std::uint64_t length, unsigned flags) {
    smmu_map_entry entry{};
    entry.phys = address;
    entry.len = length;
    if (smmu_mapping_add(object, flags, 0, 1, &entry, 0) != 0)
        give_up(fmt::format("smmu_mapping_add: {}", std::strerror(errno)));
}

smmu_object* object_with(unsigned device) {
    smmu_object* const object = smmu_init(0) == 0 ? smmu_obj_create(SOCF_NONE) : nullptr;
    if (object == nullptr || smmu_device_add_mmio(object, null_device(device), 0x1000) != 0)
        give_up(fmt::format("an object with a device: {}", std::strerror(errno)));
    return object;
}

// What the two clients tell each other.
struct Shared {
    enum Phase : int { idle, mapping, unmapping };
    std::atomic<int> wanted{0};    // rounds that the large client is asked for
    std::atomic<int> done{0};      // rounds that it has done
    std::atomic<int> phase{idle};  // what is under way
    std::atomic<std::int64_t> map_ns{0}, unmap_ns{0};
};

Shared& shared_memory() {
    void* const start = mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (start == MAP_FAILED) give_up("no memory to share");
    return *new (start) Shared;
}

template <class Work>
std::int64_t nanoseconds_of(Work work) {
    const auto begun = Clock::now();
    work();
    return std::chrono::nanoseconds(Clock::now() - begun).count();
}

// The client of the large request: a round for each that is asked for.
[[noreturn]] void be_large(Shared& shared) {
    smmu_object* const object = object_with(1);
    for (;;) {
        while (shared.done.load() == shared.wanted.load()) usleep(200);
        shared.phase = Shared::mapping;
        shared.map_ns = nanoseconds_of([&] { grant(object, region_at, region_bytes, SMF_READ | SMF_WRITE); });
        shared.phase = Shared::unmapping;
        shared.unmap_ns = nanoseconds_of([&] { grant(object, region_at, region_bytes, SMF_NONE); });
        shared.phase = Shared::idle;
        ++shared.done;
    }
}

// The tables of the same request, filled in one go in this process.
class Tables {
public:
    Tables() {
        constexpr std::uint64_t bytes = std::uint64_t{256} << 20;
        void* const start = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (start == MAP_FAILED) give_up("no memory for tables");
        const smmu::PhysRange range{{std::uint64_t{1} << 40}, {(std::uint64_t{1} << 40) + bytes - 1}};
        arena_ = *smmu::memory::Arena::open({range, {static_cast<std::byte*>(start), bytes}}, {});
        space_ = *make_null_space(*arena_, account_);
    }
    ~Tables() { (void)space_->release(); }
    Tables(const Tables&) = delete;
    Tables& operator=(const Tables&) = delete;

    void map() { change(smmu::paging::Map{region, {region_at}, smmu::read_write}); }
    void unmap() { change(smmu::paging::Unmap{region}); }

private:
    static constexpr smmu::IovaRange region{{region_at}, {region_at + region_bytes - 1}};

    void change(const smmu::paging::Change& change) {
        auto plan = space_->prepare(std::span(&change, 1));
        if (!plan) give_up(plan.error().text);
        smmu::paging::Budget all;
        if (!space_->commit(*plan, all)) give_up("the tables were not filled");
    }
    std::unique_ptr<smmu::memory::Arena> arena_;
    smmu::memory::Account account_;
    std::unique_ptr<smmu::units::TableSpace> space_;
};

double part(std::vector<double>& values, double which) {
    if (values.empty()) give_up("nothing was measured");
    std::ranges::sort(values);
    return values[std::min(values.size() - 1, std::size_t(double(values.size()) * which))];
}

void print(const char* name, std::vector<double>& microseconds) {
    fmt::print("{:44} {:9.1f} {:9.1f} {:9.1f} {:9}\n", name, part(microseconds, 0.5), part(microseconds, 0.99),
               part(microseconds, 1), microseconds.size());
}

}  // namespace

int main(int count, char** words) {
    const int rounds = count > 1 ? std::max(1, std::atoi(words[1])) : 41;
    const Directory directory;
    Service service(directory, table_bytes);
    pin(service.pid(), server);
    pin(getpid(), caller);
    Shared& shared = shared_memory();
    const Process large = Process::running([&] { be_large(shared); });
    Tables tables;
    smmu_object* const object = object_with(0);

    std::vector<double> alone, beside_mapping, beside_unmapping, map, unmap, map_tables, unmap_tables;
    bool granted = false;
    const auto turn_page = [&] {
        granted = !granted;
        return double(nanoseconds_of([&] {
                   grant(object, 0x240'0000, 0x1000, granted ? SMF_READ | SMF_WRITE : SMF_NONE);
               })) / 1e3;
    };
    for (int round = 0; round < rounds; ++round) {
        for (int i = 0; i < 100; ++i) alone.push_back(turn_page());
        map_tables.push_back(double(nanoseconds_of([&] { tables.map(); })) / 1e6);
        unmap_tables.push_back(double(nanoseconds_of([&] { tables.unmap(); })) / 1e6);
        // Once with nobody else asking, once beside the small client.
        for (const bool beside : {false, true}) {
            ++shared.wanted;
            while (shared.done.load() != shared.wanted.load()) {
                if (!beside) {
                    usleep(200);
                    continue;
                }
                const int before = shared.phase.load();
                const double took = turn_page();
                if (before == Shared::mapping) beside_mapping.push_back(took);
                if (before == Shared::unmapping) beside_unmapping.push_back(took);
            }
            if (beside) continue;
            map.push_back(double(shared.map_ns.load()) / 1e6);
            unmap.push_back(double(shared.unmap_ns.load()) / 1e6);
        }
    }
    fmt::print("load {}, {} rounds\n", load(), rounds);
    fmt::print("{:44} {:>9} {:>9} {:>9} {:>9}\n", "us, of one page granted or removed", "median", "p99", "most", "calls");
    print("while nobody else asks", alone);
    print("while another client maps 64 GiB", beside_mapping);
    print("while another client unmaps 64 GiB", beside_unmapping);
    const double mapped = median(map), unmapped = median(unmap);
    fmt::print("64 GiB by 4 KiB leaves: mapped by a client {:.2f} ms, {:.2f}x the tables alone; unmapped {:.2f} ms, {:.2f}x\n",
               mapped, mapped / median(map_tables), unmapped, unmapped / median(unmap_tables));
    service.end(SIGTERM);
}
