// SPDX-License-Identifier: Apache-2.0
// What a process can reach of a machine: one question, one line of answer; status 1 and a sentence
// when it is refused.
//
//   guest_probe register ADDRESS       the 32-bit register at that physical address, by /dev/mem
//   guest_probe write ADDRESS VALUE    writes to it
//   guest_probe hugepage               the physical address of a huge page
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

namespace {

constexpr std::uint64_t page = 4096;

int refused(const char* what) {
    std::fprintf(stderr, "%s: %s\n", what, std::strerror(errno));
    return 1;
}

// The register at that physical address; nullptr when it is refused.
volatile std::uint32_t* map_register(std::uint64_t address, int protection) {
    const int access = (protection & PROT_WRITE) != 0 ? O_RDWR : O_RDONLY;
    const int memory = open("/dev/mem", access | O_SYNC | O_CLOEXEC);
    void* const start = memory < 0 ? MAP_FAILED
                                   : mmap(nullptr, page, protection, MAP_SHARED, memory,
                                          static_cast<off_t>(address - address % page));
    if (start == MAP_FAILED) return nullptr;
    return static_cast<volatile std::uint32_t*>(start) + address % page / sizeof(std::uint32_t);
}

int show_register(std::uint64_t address) {
    const volatile std::uint32_t* const place = map_register(address, PROT_READ);
    if (place == nullptr) return refused("/dev/mem");
    std::printf("%08x\n", *place);
    return 0;
}

int write_register(std::uint64_t address, std::uint32_t value) {
    volatile std::uint32_t* const place = map_register(address, PROT_READ | PROT_WRITE);
    if (place == nullptr) return refused("/dev/mem");
    *place = value;
    return 0;
}

int show_hugepage() {
    constexpr std::size_t bytes = 2 << 20;
    void* const start = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_POPULATE, -1, 0);
    if (start == MAP_FAILED) return refused("huge page");
    const int pages = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    std::uint64_t entry = 0;
    const auto place =
        static_cast<off_t>(reinterpret_cast<std::uintptr_t>(start) / page * sizeof entry);
    if (pread(pages, &entry, sizeof entry, place) != sizeof entry) return refused("pagemap");
    constexpr std::uint64_t frame_mask = (std::uint64_t{1} << 55) - 1;
    std::printf("%016llx\n", static_cast<unsigned long long>((entry & frame_mask) * page));
    return 0;
}

}  // namespace

int main(int count, char** words) {
    const std::string question = count > 1 ? words[1] : "";
    if (question == "register" && count == 3)
        return show_register(std::strtoull(words[2], nullptr, 0));
    if (question == "write" && count == 4)
        return write_register(std::strtoull(words[2], nullptr, 0),
                              static_cast<std::uint32_t>(std::strtoul(words[3], nullptr, 0)));
    if (question == "hugepage" && count == 2) return show_hugepage();
    std::fprintf(stderr, "usage: guest_probe (register ADDRESS | write ADDRESS VALUE | hugepage)\n");
    return 2;
}
