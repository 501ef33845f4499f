// SPDX-License-Identifier: Apache-2.0
#include "platform/linux/client_memory.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <numeric>

#include "platform/linux/huge_file.hpp"
#include "platform/linux/page_map.hpp"
#include "platform/linux/page_pin.hpp"
#include "platform/linux/page_run.hpp"

namespace smmu::platform::linux {

namespace {

constexpr std::uint64_t most_pages = std::uint64_t{1} << 20;  // of one request: 2 TiB

class PinnedFile final : public PinnedMemory {
public:
    PinnedFile(ClientDeposits::Kept pins, std::vector<PhysRange> extents) : pins_(std::move(pins)), extents_(std::move(extents)) {}
    std::span<const PhysRange> extents() const noexcept override { return extents_; }

private:
    ClientDeposits::Kept pins_;
    std::vector<PhysRange> extents_;
};

// The size of the file's pages.
Result<std::uint64_t> check_file(const UniqueFd& memory, std::uint64_t offset, std::uint64_t length) {
    struct statfs system{};
    struct stat status{};
    if (fstatfs(memory.get(), &system) != 0 || fstat(memory.get(), &status) != 0 || system.f_type != HUGETLBFS_MAGIC)
        return fail(EINVAL, "memory for devices is a memfd of huge pages (memfd_create with MFD_HUGETLB): other memory moves");
    const int seals = fcntl(memory.get(), F_GET_SEALS);
    constexpr int wanted = F_SEAL_SHRINK | F_SEAL_GROW;
    if (seals < 0 || (seals & wanted) != wanted)
        return fail(EINVAL, "memory for devices is a memfd that can neither shrink nor grow: add F_SEAL_SHRINK and F_SEAL_GROW");
    const auto size = std::uint64_t(status.st_size);
    if (length == 0 || offset > size || length > size - offset)
        return fail(EINVAL, fmt::format("{:#x} bytes at {:#x} leave the file of {:#x} bytes", length, offset, size));
    return std::uint64_t(system.f_bsize);
}

// The wanted bytes of the whole pages.
std::vector<PhysRange> cut(std::vector<PhysRange> extents, std::uint64_t skipped, std::uint64_t length) {
    extents.front().first = extents.front().first + skipped;  // less than a page, so it stays in the first
    std::uint64_t surplus = std::accumulate(extents.begin(), extents.end(), std::uint64_t{0},
                                            [](std::uint64_t sum, const PhysRange& extent) { return sum + extent.length(); }) - length;
    extents.back().last = PhysAddr{extents.back().last.value - surplus};
    return extents;
}

}  // namespace

Result<std::unique_ptr<PinnedMemory>> pin_client_memory(const HostFiles& files, std::shared_ptr<ClientDeposits> deposits, UniqueFd memory,
                                                        std::uint64_t offset, std::uint64_t length) {
    SMMU_TRY(const std::uint64_t page_bytes, check_file(memory, offset, length));
    const std::uint64_t first = offset / page_bytes, last = (offset + length - 1) / page_bytes;
    if (last - first >= most_pages || last > ~std::uint32_t{0})
        return fail(E2BIG, fmt::format("{:#x} bytes at once; grant them in parts", length));
    std::vector<std::uint32_t> pages(last - first + 1);
    std::iota(pages.begin(), pages.end(), std::uint32_t(first));
    SMMU_TRY(const HugeView view, HugeView::map(memory, pages, page_bytes));
    holder::Deposit pins;
    SMMU_TRY(pins.descriptors, pin_pages(files, memory, pages, page_bytes));
    SMMU_TRY(const PageMap map, PageMap::open(files.path("/proc/self/pagemap")));
    SMMU_TRY(const auto addresses, map.addresses(view.bytes(), page_bytes));
    auto extents = cut(extents_of(addresses, page_bytes), offset % page_bytes, length);
    SMMU_TRY(auto kept, ClientDeposits::keep(std::move(deposits), std::move(pins)));
    return std::make_unique<PinnedFile>(std::move(kept), std::move(extents));
}

}  // namespace smmu::platform::linux
