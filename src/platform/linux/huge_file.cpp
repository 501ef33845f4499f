// SPDX-License-Identifier: Apache-2.0
#include "platform/linux/huge_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/memfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>

namespace smmu::platform::linux {

namespace {

std::unexpected<Error> failed(std::string_view what, std::uint64_t bytes) {
    const int code = errno;
    return fail(code, fmt::format("cannot {} {} MiB of huge pages: {}", what, bytes >> 20, std::strerror(code)));
}

// Sharing one piece of the file with this process; the pages are in memory afterwards.
bool map_at(std::byte* at, std::uint64_t length, const UniqueFd& file, std::uint64_t offset) {
    void* const mapped = mmap(at, length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file.get(), off_t(offset));
    return mapped != MAP_FAILED && madvise(mapped, length, MADV_POPULATE_WRITE) == 0;
}

}  // namespace

Result<UniqueFd> make_huge_file(std::uint64_t pages) {
    const std::uint64_t bytes = pages * huge_page_bytes;
    UniqueFd file(memfd_create("smmuman-tables", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_HUGETLB | MFD_HUGE_2MB));
    if (!file) return failed("make a file of", bytes);
    if (ftruncate(file.get(), off_t(bytes)) != 0) return failed("size a file of", bytes);
    if (fcntl(file.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) return failed("seal a file of", bytes);
    return file;
}

HugeView::~HugeView() {
    if (!reserved_.empty()) munmap(reserved_.data(), reserved_.size());
}

Result<HugeView> HugeView::map(const UniqueFd& file, std::span<const std::uint32_t> pages, std::uint64_t page_bytes) {
    const std::uint64_t bytes = pages.size() * page_bytes;
    HugeView view;
    void* const reserved = mmap(nullptr, bytes + page_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (reserved == MAP_FAILED) return failed("find addresses for", bytes);
    view.reserved_ = std::span(static_cast<std::byte*>(reserved), bytes + page_bytes);
    const std::uint64_t skipped = -reinterpret_cast<std::uintptr_t>(reserved) & (page_bytes - 1);
    view.bytes_ = view.reserved_.subspan(skipped, bytes);
    for (std::size_t begin = 0, end = 0; begin < pages.size(); begin = end) {
        for (end = begin + 1; end < pages.size() && pages[end] == pages[end - 1] + 1;) ++end;
        if (!map_at(view.bytes_.data() + begin * page_bytes, (end - begin) * page_bytes, file, pages[begin] * page_bytes))
            return failed("map", bytes);
    }
    return view;
}

}  // namespace smmu::platform::linux
