// SPDX-License-Identifier: Apache-2.0
#include "platform/linux/client_memory.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <numeric>

#include "platform/linux/held_pages.hpp"
#include "platform/linux/page_run.hpp"

namespace smmu::platform::linux {

namespace {

constexpr std::uint64_t most_bytes = std::uint64_t{16} << 30;  // of one request: others wait meanwhile, some 50 ms

class PinnedFile final : public PinnedMemory {
public:
    PinnedFile(ClientDeposits::Kept pins, std::vector<PhysRange> extents, PinCost cost)
        : pins_(std::move(pins)), extents_(std::move(extents)), cost_(cost) {}
    std::span<const PhysRange> extents() const noexcept override { return extents_; }
    PinCost cost() const noexcept override { return cost_; }

private:
    ClientDeposits::Kept pins_;
    std::vector<PhysRange> extents_;
    PinCost cost_;
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
    // Pinning would make and clear what is missing: time and memory of the service's, for somebody else.
    SMMU_CHECK(check_filled(memory));
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
    if (length > most_bytes || last > ~std::uint32_t{0})
        return fail(E2BIG, fmt::format("{:#x} bytes at once; grant them in parts of {} GiB", length, most_bytes >> 30));
    std::vector<std::uint32_t> pages(last - first + 1);
    std::iota(pages.begin(), pages.end(), std::uint32_t(first));
    SMMU_TRY(HeldPages held, hold_pages(files, memory, pages, page_bytes, Holes::refused));
    auto extents = cut(extents_of(held.addresses, page_bytes), offset % page_bytes, length);
    const PinCost cost{pages.size() * page_bytes, held.pins.size()};
    SMMU_TRY(auto kept, ClientDeposits::keep(std::move(deposits), {std::move(held.pins), {}}));
    return std::make_unique<PinnedFile>(std::move(kept), std::move(extents), cost);
}

}  // namespace smmu::platform::linux
