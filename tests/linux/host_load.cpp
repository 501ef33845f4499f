// SPDX-License-Identifier: Apache-2.0
// Devices that never rest, on a real kernel: every edu device copies, again and again, what configuration lets it reach, and tries
// what nobody granted. No client of the service: whatever becomes of that, this goes on.
//
//   host_load      prints "window ADDRESS victim ADDRESS" (2 MiB each), then works until SIGTERM comes; "window ADDRESS,2M" is to be
//                  allowed to all of them. In the end, "copies N lost N attacks N passed N".
//
// Attacks begin when the file /tmp/contained is there: until then everything passes. What went wrong is printed as it happens,
// with what is in the file /tmp/phase.
#include <signal.h>

#include <atomic>
#include <cstdio>
#include <filesystem>
#include <iterator>
#include <vector>

#include "tests/linux/edu.hpp"

namespace {

using namespace smmu::test;

constexpr std::size_t slot_bytes = 4096;

volatile sig_atomic_t is_told_to_end = 0;

struct Memory {
    char *window, *victim;
    std::uint64_t window_at, victim_at;
};

struct Counts {
    unsigned long copies = 0, lost = 0, attacks = 0, passed = 0;
};

std::string phase() {
    std::ifstream file("/tmp/phase");
    return {std::istreambuf_iterator<char>(file), {}};
}

// One device: reads its slot of the window, writes it to another one, attacks; one at a time, as the device can.
class Worker {
public:
    Worker(const std::string& name, std::size_t number, const Memory& memory)
        : name_(name), edu_(name), memory_(memory), slot_(number * 2 * slot_bytes), step_(Step(number % 2)) {
        edu_.become_master();
        if (edu_) begin();
    }

    // Judges what has been done, and begins what is next.
    void go_on(Counts& counts, bool may_attack) {
        if (!edu_ || edu_.is_busy()) return;
        judge(counts);
        step_ = Step((step_ + 1) % (may_attack ? 3 : 2));
        begin();
    }

private:
    enum Step { read, write, attack };

    std::uint64_t* place(char* memory, std::size_t offset) const { return reinterpret_cast<std::uint64_t*>(memory + slot_ + offset); }
    std::atomic_ref<std::uint64_t> source() const { return std::atomic_ref(*place(memory_.window, 0)); }
    std::atomic_ref<std::uint64_t> copy() const { return std::atomic_ref(*place(memory_.window, slot_bytes)); }
    std::atomic_ref<std::uint64_t> prey() const { return std::atomic_ref(*place(memory_.victim, 0)); }

    void begin() {
        switch (step_) {
            case read:
                source() = ++word_;
                return edu_.begin(memory_.window_at + slot_, Edu::own_memory, sizeof word_, Edu::from_memory);
            case write:
                copy() = 0;
                return edu_.begin(Edu::own_memory, memory_.window_at + slot_ + slot_bytes, sizeof word_, Edu::to_memory);
            case attack:
                prey() = 0;
                return edu_.begin(Edu::own_memory, memory_.victim_at + slot_, sizeof word_, Edu::to_memory);
        }
    }
    void judge(Counts& counts) {
        if (step_ == write && word_ != 0) {
            ++counts.copies;
            if (copy() != word_) complain("lost", counts.lost);
        }
        if (step_ == attack) {
            ++counts.attacks;
            if (prey() != 0) complain("PASSED", counts.passed);
        }
    }
    void complain(const char* what, unsigned long& count) {
        ++count;
        std::printf("%s: %s, %s\n", name_.c_str(), what, phase().c_str());
        std::fflush(stdout);
    }

    std::string name_;
    Edu edu_;
    Memory memory_;
    std::size_t slot_;
    Step step_;
    std::uint64_t word_ = 0;  // what is copied now; 0: nothing was read yet
};

std::vector<std::string> edu_devices() {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator("/sys/bus/pci/devices")) {
        std::string vendor, device;
        std::ifstream(entry.path() / "vendor") >> vendor;
        std::ifstream(entry.path() / "device") >> device;
        if (vendor == "0x1234" && device == "0x11e8") names.push_back(entry.path().filename());
    }
    return names;
}

void end_work(int) { is_told_to_end = 1; }

}  // namespace

int main() {
    signal(SIGTERM, end_work);
    char* const memory = take_huge_pages(2);
    const std::vector<std::string> names = edu_devices();
    if (memory == nullptr || names.empty()) {
        std::printf("%s\n", memory == nullptr ? "too few huge pages" : "no edu device");
        return 1;
    }
    const Memory used{memory, memory + huge_page, physical_address(memory), physical_address(memory + huge_page)};
    std::vector<Worker> workers;
    for (const std::string& name : names) workers.emplace_back(name, workers.size(), used);
    std::printf("window 0x%lx victim 0x%lx\n", static_cast<unsigned long>(used.window_at), static_cast<unsigned long>(used.victim_at));
    std::fflush(stdout);
    Counts counts;
    while (!is_told_to_end) {
        const bool may_attack = access("/tmp/contained", F_OK) == 0;
        for (Worker& worker : workers) worker.go_on(counts, may_attack);
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    std::printf("copies %lu lost %lu attacks %lu passed %lu\n", counts.copies, counts.lost, counts.attacks, counts.passed);
    return 0;
}
