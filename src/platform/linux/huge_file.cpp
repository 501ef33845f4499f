// SPDX-License-Identifier: Apache-2.0
#include "platform/linux/huge_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/memfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

namespace smmu::platform::linux {

namespace {

std::unexpected<Error> failed(std::string_view what, std::uint64_t bytes) {
    const int code = errno;
    return fail(code, fmt::format("cannot {} {} MiB of huge pages: {}", what, bytes >> 20, std::strerror(code)));
}

// Between two looks for holes: the kernel clears that much in some 30 ms.
constexpr std::uint64_t populated_at_once = std::uint64_t{64} << 20;

// Sharing one piece of the file with this process; the pages are in memory afterwards.
Result<void> map_at(std::span<std::byte> at, const UniqueFd& file, std::uint64_t offset, Holes holes) {
    if (mmap(at.data(), at.size(), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file.get(), off_t(offset)) == MAP_FAILED)
        return failed("map", at.size());
    while (!at.empty()) {
        const auto piece = at.first(std::min(populated_at_once, at.size()));
        if (holes == Holes::refused) SMMU_CHECK(check_filled(file));
        if (madvise(piece.data(), piece.size(), MADV_POPULATE_WRITE) != 0) return failed("map", piece.size());
        at = at.subspan(piece.size());
    }
    return {};
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

Result<void> check_filled(const UniqueFd& file) {
    constexpr std::uint64_t block = 512;
    struct stat status{};
    if (fstat(file.get(), &status) != 0) return failed("look at", 0);
    const auto there = std::uint64_t(status.st_blocks) * block, size = std::uint64_t(status.st_size);
    if (there >= size) return {};
    return fail(EINVAL, fmt::format("the file has holes: {} of its {} MiB are there; fill it before it is granted (fallocate)", there >> 20,
                                    size >> 20));
}

HugeView::~HugeView() {
    if (!reserved_.empty()) munmap(reserved_.data(), reserved_.size());
}

Result<HugeView> HugeView::map(const UniqueFd& file, std::span<const std::uint32_t> pages, std::uint64_t page_bytes,
                               Holes holes) {
    const std::uint64_t bytes = pages.size() * page_bytes;
    HugeView view;
    void* const reserved = mmap(nullptr, bytes + page_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (reserved == MAP_FAILED) return failed("find addresses for", bytes);
    view.reserved_ = std::span(static_cast<std::byte*>(reserved), bytes + page_bytes);
    const std::uint64_t skipped = -reinterpret_cast<std::uintptr_t>(reserved) & (page_bytes - 1);
    view.bytes_ = view.reserved_.subspan(skipped, bytes);
    for (std::size_t begin = 0, end = 0; begin < pages.size(); begin = end) {
        for (end = begin + 1; end < pages.size() && pages[end] == pages[end - 1] + 1;) ++end;
        SMMU_CHECK(map_at(view.bytes_.subspan(begin * page_bytes, (end - begin) * page_bytes), file, pages[begin] * page_bytes, holes));
    }
    return view;
}

}  // namespace smmu::platform::linux
