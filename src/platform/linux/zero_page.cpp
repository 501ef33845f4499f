// SPDX-License-Identifier: Apache-2.0
#include "platform/linux/zero_page.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>

#include "platform/linux/page_map.hpp"

namespace smmu::platform::linux {

namespace {

class FreshMemory {
public:
    explicit FreshMemory(std::size_t bytes)
        : start_(mmap(nullptr, bytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)), bytes_(bytes) {
        // The large page of zeros can be given up by the kernel; the small one is part of it.
        if (start_ != MAP_FAILED) madvise(start_, bytes, MADV_NOHUGEPAGE);
    }
    FreshMemory(const FreshMemory&) = delete;
    FreshMemory& operator=(const FreshMemory&) = delete;
    ~FreshMemory() {
        if (start_ != MAP_FAILED) munmap(start_, bytes_);
    }
    explicit operator bool() const { return start_ != MAP_FAILED; }
    std::span<const std::byte> bytes() const { return {static_cast<const std::byte*>(start_), bytes_}; }

private:
    void* start_;
    std::size_t bytes_;
};

// A kernel that does not tell is believed; one that says something else is not.
bool kernel_denies(const HostFiles& files, PhysAddr page, std::uint64_t page_bytes) {
    constexpr std::uint64_t is_zero_page = std::uint64_t{1} << 24;  // KPF_ZERO_PAGE
    const UniqueFd flags(open(files.path("/proc/kpageflags").c_str(), O_RDONLY | O_CLOEXEC));
    std::uint64_t word = 0;
    const bool told = flags && pread(flags.get(), &word, sizeof word, off_t(page.value / page_bytes * sizeof word)) == sizeof word;
    return told && (word & is_zero_page) == 0;
}

}  // namespace

// Two pages that nobody wrote lie in the same place: so it is one that is everybody's.
Result<PhysAddr> zero_page(const HostFiles& files) {
    const auto page = std::uint64_t(sysconf(_SC_PAGESIZE));
    const FreshMemory memory(2 * page);
    if (!memory) return fail(errno, fmt::format("no memory for two pages: {}", std::strerror(errno)));
    for (std::size_t at = 0; at < memory.bytes().size(); at += page)
        if (*static_cast<const volatile std::byte*>(memory.bytes().data() + at) != std::byte{0}) return fail(EIO, "fresh memory is not zero");
    SMMU_TRY(const PageMap map, PageMap::open(files.path("/proc/self/pagemap")));
    SMMU_TRY(const auto places, map.addresses(memory.bytes(), page));
    if (places.front() != places.back() || kernel_denies(files, places.front(), page))
        return fail(ENOTSUP, "this kernel has no page of zeros for all; reset the machine");
    return places.front();
}

}  // namespace smmu::platform::linux
