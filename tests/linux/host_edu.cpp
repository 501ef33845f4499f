// SPDX-License-Identifier: Apache-2.0
// A driver of QEMU's edu device at 0000:00:03.0 on a real kernel, as a client of the service; it runs inside a guest.
//
//   host_edu copy         memory by descriptor: what was granted is copied, what was not is refused; then all is given back
//   host_edu hold         the same, but it then waits to be killed
//   host_edu pages PID    the physical addresses of the table memory that process PID has
#include <fcntl.h>
#include <linux/memfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>

#include "smmu.h"
#include "smmu_ext.h"

namespace {

const std::string function = "/sys/bus/pci/devices/0000:00:03.0/";
constexpr std::size_t huge_page = std::size_t{2} << 20, memory_bytes = 2 * huge_page, register_bytes = std::size_t{1} << 20;
constexpr std::uint64_t device_address = 0x101000;  // of the memory from its second small page on
constexpr std::size_t skipped = 4096;
constexpr std::uint64_t own_memory = 0x40000;  // of the device
constexpr std::uint64_t busy = 1, to_memory = 3;

class Edu {
public:
    Edu() {
        std::ofstream(function + "enable") << 1;
        const int file = open((function + "resource0").c_str(), O_RDWR | O_SYNC | O_CLOEXEC);
        void* const start = mmap(nullptr, register_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        if (start != MAP_FAILED) registers_ = static_cast<volatile std::uint64_t*>(start);
    }
    explicit operator bool() const { return registers_ != nullptr; }

    // The service took bus mastering away with the former owner.
    bool may_master() const {
        const int config = open((function + "config").c_str(), O_RDWR | O_CLOEXEC);
        constexpr std::uint16_t memory_and_master = 6, command = 4;
        return pwrite(config, &memory_and_master, sizeof memory_and_master, command) == sizeof memory_and_master;
    }
    bool copy(std::uint64_t from, std::uint64_t to, std::uint64_t bytes, std::uint64_t command) const {
        registers_[0x80 / 8] = from;
        registers_[0x88 / 8] = to;
        registers_[0x90 / 8] = bytes;
        registers_[0x98 / 8] = command;
        for (int waited = 0; waited < 1000; ++waited) {
            if ((registers_[0x98 / 8] & busy) == 0) return true;
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
        }
        return false;
    }

private:
    volatile std::uint64_t* registers_ = nullptr;
};

int failed(const char* what, const char* why) {
    std::printf("%s: %s\n", what, why);
    return 1;
}

int make_memory() {
    const int file = memfd_create("client", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_HUGETLB | MFD_HUGE_2MB);
    const bool made = file >= 0 && ftruncate(file, off_t(memory_bytes)) == 0 && fcntl(file, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) == 0;
    return made ? file : -1;
}

// What was granted, at both ends, and what was not.
int try_copies(const Edu& edu, int file, char* memory) {
    constexpr std::size_t bytes = 64, last = memory_bytes - bytes;
    std::strcpy(memory + skipped, "by the device");
    memory[0] = 'x';
    if (!edu.copy(device_address, own_memory, bytes, busy) || !edu.copy(own_memory, device_address + last - skipped, bytes, to_memory) ||
        !edu.copy(own_memory, device_address - skipped, bytes, to_memory))
        return failed("copying", "the device does not get it done");
    std::printf("granted: %s\n", std::strcmp(memory + last, "by the device") == 0 ? "arrived" : "LOST");
    std::printf("not granted: %s\n", memory[0] == 'x' ? "refused" : "OVERWRITTEN");
    // The page in the file is another one now; the device still writes the one that was granted.
    fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, off_t(huge_page));
    if (!edu.copy(own_memory, device_address, bytes, to_memory)) return failed("copying", "the device does not get it done");
    std::printf("given back behind the service's back: %s\n", memory[skipped] == 0 ? "held" : "FREED");
    return 0;
}

int drive(bool hold) {
    const Edu edu;
    const int file = make_memory();
    void* const start = mmap(nullptr, memory_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (!edu || start == MAP_FAILED) return failed("device or memory", std::strerror(errno));
    if (smmu_init(0) == -1) return failed("smmu_init", smmu_strerror_last());
    struct smmu_object* const object = smmu_obj_create(SOCF_NONE);
    if (object == nullptr || smmu_device_add_pci(object, 0, 3, 0) == -1 ||
        smmu_mapping_add_fd(object, SMF_READ | SMF_WRITE, file, skipped, memory_bytes - skipped, device_address) == -1 || !edu.may_master())
        return failed("granting", smmu_strerror_last());
    if (const int status = try_copies(edu, file, static_cast<char*>(start)); status != 0) return status;
    std::fflush(stdout);
    while (hold) pause();
    return smmu_obj_destroy_checked(object) == 0 ? 0 : failed("destroying", smmu_strerror_last());
}

int show_pages(const std::string& process) {
    std::ifstream maps("/proc/" + process + "/maps");
    const int pages = open(("/proc/" + process + "/pagemap").c_str(), O_RDONLY | O_CLOEXEC);
    for (std::string line; std::getline(maps, line);) {
        if (line.find("smmuman-tables") == std::string::npos) continue;
        std::uint64_t first = 0, end = 0;
        char dash = 0;
        std::istringstream(line) >> std::hex >> first >> dash >> end;
        for (; first < end; first += huge_page) {
            std::uint64_t word = 0;
            if (pread(pages, &word, sizeof word, off_t(first / 4096 * sizeof word)) != sizeof word) return 1;
            std::printf("0x%llx\n", static_cast<unsigned long long>((word & ((std::uint64_t{1} << 55) - 1)) * 4096));
        }
    }
    return 0;
}

}  // namespace

int main(int count, char** words) {
    const std::string task = count > 1 ? words[1] : "";
    if (task == "copy" || task == "hold") return drive(task == "hold");
    if (task == "pages" && count == 3) return show_pages(words[2]);
    std::fprintf(stderr, "usage: host_edu (copy | hold | pages PID)\n");
    return 2;
}
