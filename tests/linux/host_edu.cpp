// SPDX-License-Identifier: Apache-2.0
// A driver of QEMU's edu device at 0000:00:03.0 on a real kernel, as a client of the service; it runs inside a guest.
//
//   host_edu copy         memory by descriptor: what was granted is copied, what was not is refused; then all is given back
//   host_edu hold         the same, but it then waits to be killed; at each SIGUSR1 it copies once more
//   host_edu work         memory by descriptor again, into which the device writes until this is killed; prints where it lies
//   host_edu own DEVICE   has the function 0000:00:DEVICE.0, bus mastering on, until this is killed
//   host_edu inherit      no client: takes two huge pages, prints where they lie, and that they stay intact whatever the device,
//                         left as it was, is told to do to them
//   host_edu strike ADDRESS   no client: the device writes to that address once
//   host_edu pages PID    the physical addresses of the table memory that process PID has
#include <signal.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <sstream>

#include "smmu.h"
#include "smmu_ext.h"
#include "tests/linux/edu.hpp"

namespace {

using namespace smmu::test;

constexpr std::size_t memory_bytes = 2 * huge_page;
constexpr std::uint64_t device_address = 0x101000;  // of the memory from its second small page on
constexpr std::size_t skipped = 4096;
constexpr std::uint64_t own_memory = Edu::own_memory;

int failed(const char* what, const char* why) {
    std::printf("%s: %s\n", what, why);
    return 1;
}

// What was granted, at both ends, and what was not.
int try_copies(const Edu& edu, int file, char* memory) {
    constexpr std::size_t bytes = 64, last = memory_bytes - bytes;
    std::strcpy(memory + skipped, "by the device");
    memory[0] = 'x';
    if (!edu.copy(device_address, own_memory, bytes, Edu::from_memory) || !edu.copy(own_memory, device_address + last - skipped, bytes, Edu::to_memory) ||
        !edu.copy(own_memory, device_address - skipped, bytes, Edu::to_memory))
        return failed("copying", "the device does not get it done");
    std::printf("granted: %s\n", std::strcmp(memory + last, "by the device") == 0 ? "arrived" : "LOST");
    std::printf("not granted: %s\n", memory[0] == 'x' ? "refused" : "OVERWRITTEN");
    // The page in the file is another one now; the device still writes the one that was granted.
    fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, off_t(huge_page));
    if (!edu.copy(own_memory, device_address, bytes, Edu::to_memory)) return failed("copying", "the device does not get it done");
    std::printf("given back behind the service's back: %s\n", memory[skipped] == 0 ? "held" : "FREED");
    return 0;
}

// Memory that the device is allowed to use.
struct Granted {
    int status = 1;  // of the program, when it could not be had
    int file = -1;
    char* memory = nullptr;
    smmu_object* object = nullptr;
};

Granted grant(const Edu& edu) {
    Granted granted;
    granted.file = make_huge_file(memory_bytes);
    void* const start = mmap(nullptr, memory_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, granted.file, 0);
    granted.memory = static_cast<char*>(start);
    if (!edu || start == MAP_FAILED)
        failed("device or memory", std::strerror(errno));
    else if (smmu_init(0) == -1)
        failed("smmu_init", smmu_strerror_last());
    else if (granted.object = smmu_obj_create(SOCF_NONE);
             granted.object == nullptr || smmu_device_add_pci(granted.object, 0, 3, 0) == -1 ||
             smmu_mapping_add_fd(granted.object, SMF_READ | SMF_WRITE, granted.file, skipped, memory_bytes - skipped, device_address) == -1 ||
             !edu.become_master())
        failed("granting", smmu_strerror_last());
    else
        granted.status = 0;
    return granted;
}

// Whether the last bytes that were granted can still be written.
void copy_again(const Edu& edu, char* memory) {
    constexpr std::size_t bytes = 64, last = memory_bytes - bytes;
    memory[last] = 'x';
    const bool done = edu.become_master() && edu.copy(own_memory, device_address + last - skipped, bytes, Edu::to_memory);
    std::printf("again: %s\n", !done ? "LOST" : memory[last] == 'x' ? "refused" : "arrived");
    std::fflush(stdout);
}

void wait_for_signals(const Edu& edu, char* memory) {
    sigset_t asked;
    sigemptyset(&asked);
    sigaddset(&asked, SIGUSR1);
    for (int number = 0; sigwait(&asked, &number) == 0;) copy_again(edu, memory);
}

int drive(bool hold) {
    sigset_t asked;  // one that comes early waits
    sigemptyset(&asked);
    sigaddset(&asked, SIGUSR1);
    sigprocmask(SIG_BLOCK, &asked, nullptr);
    const Edu edu;
    const Granted granted = grant(edu);
    if (granted.status != 0) return granted.status;
    if (const int status = try_copies(edu, granted.file, granted.memory); status != 0) return status;
    std::fflush(stdout);
    if (hold) wait_for_signals(edu, granted.memory);
    return smmu_obj_destroy_checked(granted.object) == 0 ? 0 : failed("destroying", smmu_strerror_last());
}

// The lower one first: another process gets the same pages in whatever order.
void print_pages(const char* memory) {
    const std::uint64_t first = physical_address(memory), second = physical_address(memory + huge_page);
    std::printf("pages 0x%llx 0x%llx\n", static_cast<unsigned long long>(std::min(first, second)),
                static_cast<unsigned long long>(std::max(first, second)));
}

constexpr std::size_t line_bytes = 64;

int work() {
    const Edu edu;
    const Granted granted = grant(edu);
    if (granted.status != 0) return granted.status;
    std::memset(granted.memory, 1, memory_bytes);
    print_pages(granted.memory);
    for (std::uint64_t round = 0;; ++round) {
        const std::uint64_t to = device_address + round % 2 * huge_page;
        if (!edu.copy(device_address, own_memory, line_bytes, Edu::from_memory) || !edu.copy(own_memory, to, line_bytes, Edu::to_memory))
            return failed("working", "the device does not get it done");
        if (round == 2) std::printf("works: %s\n", granted.memory[huge_page + skipped] == 1 ? "yes" : "NO");
        std::fflush(stdout);
    }
}

int own(unsigned device) {
    char name[32];
    std::snprintf(name, sizeof name, "0000:00:%02x.0", device);
    struct smmu_object* const object = smmu_init(0) == 0 ? smmu_obj_create(SOCF_NONE) : nullptr;
    if (object == nullptr || smmu_device_add_pci(object, 0, device, 0) == -1 || !become_master(name))
        return failed("owning", smmu_strerror_last());
    std::printf("owns %s\n", name);
    std::fflush(stdout);
    for (;;) pause();
}

// By the addresses that the former owner's tables had, and by those of the memory itself.
int inherit() {
    char* const memory = take_huge_pages(2);
    const Edu edu;
    if (memory == nullptr || !edu) return failed("inheriting", memory == nullptr ? "too few huge pages" : "no device");
    constexpr char own = 0x5a;
    std::memset(memory, own, memory_bytes);
    print_pages(memory);
    std::printf("device is quiet: %s\n", edu.is_master() ? "NO" : "yes");
    const auto fire = [&](std::uint64_t at) { return edu.copy(own_memory, at, line_bytes, Edu::to_memory); };
    const auto fire_at_all = [&] {
        return fire(device_address) && fire(device_address + huge_page) && fire(physical_address(memory)) && fire(physical_address(memory + huge_page));
    };
    bool done = fire_at_all();
    done = edu.become_master() && done && fire_at_all();
    const bool intact = std::all_of(memory, memory + memory_bytes, [](char byte) { return byte == own; });
    std::printf("pages are intact: %s\n", !done ? "UNTRIED" : intact ? "yes" : "NO");
    return 0;
}

int strike(std::uint64_t address) {
    const Edu edu;
    if (!edu || !edu.become_master() || !edu.copy(own_memory, address, 8, Edu::to_memory)) return failed("striking", "no device");
    std::printf("done\n");
    return 0;
}

int show_pages(const std::string& process) {
    std::ifstream maps("/proc/" + process + "/maps");
    for (std::string line; std::getline(maps, line);) {
        if (line.find("smmuman-tables") == std::string::npos) continue;
        std::uint64_t first = 0, end = 0;
        char dash = 0;
        std::istringstream(line) >> std::hex >> first >> dash >> end;
        for (; first < end; first += huge_page)
            std::printf("0x%llx\n", static_cast<unsigned long long>(physical_address(first, process)));
    }
    return 0;
}

}  // namespace

int main(int count, char** words) {
    const std::string task = count > 1 ? words[1] : "";
    if (task == "copy" || task == "hold") return drive(task == "hold");
    if (task == "work") return work();
    if (task == "own" && count == 3) return own(unsigned(std::stoul(words[2])));
    if (task == "inherit") return inherit();
    if (task == "strike" && count == 3) return strike(std::stoull(words[2], nullptr, 0));
    if (task == "pages" && count == 3) return show_pages(words[2]);
    std::fprintf(stderr, "usage: host_edu (copy | hold | work | own DEVICE | inherit | strike ADDRESS | pages PID)\n");
    return 2;
}
