// SPDX-License-Identifier: Apache-2.0
// QEMU's edu device as a process of a real kernel drives it, by sysfs, and memory for it. Of the standard library only, for
// programs that run inside guests.
#pragma once

#include <fcntl.h>
#include <linux/memfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <fstream>
#include <string>
#include <thread>

namespace smmu::test {

inline constexpr std::size_t huge_page = std::size_t{2} << 20;

inline constexpr off_t command_register = 4;  // of configuration space
inline constexpr std::uint16_t memory_space = 2, bus_master = 4;

// As every driver does: the service took bus mastering away with the former owner. `function` is "0000:00:03.0".
inline bool become_master(const std::string& function) {
    constexpr std::uint16_t value = memory_space | bus_master;
    const int config = open(("/sys/bus/pci/devices/" + function + "/config").c_str(), O_RDWR | O_CLOEXEC);
    const bool written = pwrite(config, &value, sizeof value, command_register) == sizeof value;
    close(config);
    return written;
}

class Edu {
public:
    static constexpr std::uint64_t own_memory = 0x40000, own_bytes = 4096;  // of the device
    enum Command : std::uint64_t { from_memory = 1, to_memory = 3 };

    explicit Edu(const std::string& name = "0000:00:03.0") : name_(name), folder_("/sys/bus/pci/devices/" + name + "/") {
        std::ofstream(folder_ + "enable") << 1;
        constexpr std::size_t register_bytes = std::size_t{1} << 20;
        const int file = open((folder_ + "resource0").c_str(), O_RDWR | O_SYNC | O_CLOEXEC);
        void* const start = mmap(nullptr, register_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        if (start != MAP_FAILED) registers_ = static_cast<volatile std::uint64_t*>(start);
        close(file);
    }
    // False: the device is not there, or cannot be reached.
    explicit operator bool() const { return registers_ != nullptr; }

    bool is_master() const {
        std::uint16_t value = 0;
        const int config = open((folder_ + "config").c_str(), O_RDONLY | O_CLOEXEC);
        const bool read_whole = pread(config, &value, sizeof value, command_register) == sizeof value;
        close(config);
        return read_whole && (value & bus_master) != 0;
    }
    bool become_master() const { return test::become_master(name_); }

    void begin(std::uint64_t from, std::uint64_t to, std::uint64_t bytes, Command command) const {
        registers_[0x80 / 8] = from;
        registers_[0x88 / 8] = to;
        registers_[0x90 / 8] = bytes;
        registers_[0x98 / 8] = command;
    }
    bool is_busy() const { return (registers_[0x98 / 8] & 1) != 0; }
    // False: the device does not get it done. A refused copy is done, too.
    bool copy(std::uint64_t from, std::uint64_t to, std::uint64_t bytes, Command command) const {
        begin(from, to, bytes, command);
        for (int waited = 0; waited < 1000; ++waited) {
            if (!is_busy()) return true;
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
        }
        return false;
    }

private:
    std::string name_, folder_;
    volatile std::uint64_t* registers_ = nullptr;
};

// A file of huge pages such as the service takes for devices; -1: there are too few.
inline int make_huge_file(std::size_t bytes) {
    const int file = memfd_create("client", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_HUGETLB | MFD_HUGE_2MB);
    const bool made = file >= 0 && ftruncate(file, off_t(bytes)) == 0 && fcntl(file, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) == 0;
    return made ? file : -1;
}

// `pages` huge pages in memory, filled with zeros; nullptr: there are too few.
inline char* take_huge_pages(std::size_t pages) {
    void* const start = mmap(nullptr, pages * huge_page, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_POPULATE, -1, 0);
    return start == MAP_FAILED ? nullptr : static_cast<char*>(start);
}

// Where a byte of process `process` lies in memory; 0: nowhere.
inline std::uint64_t physical_address(std::uint64_t at, const std::string& process = "self") {
    const int pages = open(("/proc/" + process + "/pagemap").c_str(), O_RDONLY | O_CLOEXEC);
    std::uint64_t word = 0;
    constexpr std::uint64_t page = 4096, number = (std::uint64_t{1} << 55) - 1;
    const bool known = pread(pages, &word, sizeof word, off_t(at / page * sizeof word)) == sizeof word;
    close(pages);
    return known ? (word & number) * page + at % page : 0;
}
inline std::uint64_t physical_address(const volatile void* at) { return physical_address(reinterpret_cast<std::uintptr_t>(at)); }

}  // namespace smmu::test
