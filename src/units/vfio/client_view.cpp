// SPDX-License-Identifier: Apache-2.0
#include "units/vfio/client_view.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <cstring>

#include "units/vfio/mapping.hpp"

namespace smmu::units::vfio {
namespace {

// A view takes address space of the service's, which a user may have as little of without bound as of its descriptors.
constexpr std::uint64_t bytes_per_place = std::uint64_t{4} << 30;
constexpr std::uint64_t most_bytes = std::uint64_t{16} << 30;  // of one request: the kernel pins it while others wait

class HeldFile final : public platform::PinnedMemory {
public:
    HeldFile(std::shared_ptr<FileView> view, PhysRange extent) : view_(std::move(view)), extent_(extent) {}
    std::span<const PhysRange> extents() const noexcept override { return {&extent_, 1}; }
    platform::PinCost cost() const noexcept override { return {extent_.length(), 1 + view_->bytes() / bytes_per_place}; }

private:
    std::shared_ptr<FileView> view_;
    PhysRange extent_;
};

// Only memory files can be sealed: nothing else, a device's registers least of all, gets past this.
Result<void> check_seals(const UniqueFd& file) {
    constexpr int wanted = F_SEAL_SHRINK | F_SEAL_GROW;
    const int seals = fcntl(file.get(), F_GET_SEALS);
    if (seals < 0 || (seals & wanted) != wanted)
        return fail(EINVAL, "memory for devices is a memfd that can neither shrink nor grow: add F_SEAL_SHRINK and F_SEAL_GROW");
    // Asked of each descriptor: a view that is there already was made with another one, perhaps.
    const int mode = fcntl(file.get(), F_GETFL);
    if (mode < 0 || (mode & O_ACCMODE) != O_RDWR || (seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) != 0)
        return fail(EINVAL, "the file cannot be mapped for reading and writing by this descriptor");
    return {};
}

// The kernel would make and clear what is missing: time and memory of the service's, for somebody else.
Result<void> check_filled(const struct stat& file) {
    constexpr std::uint64_t block = 512;
    if (std::uint64_t(file.st_blocks) * block >= std::uint64_t(file.st_size)) return {};
    return fail(EINVAL, "the file has holes; fill it before it is granted (fallocate)");
}

// Huge pages' files are numbered by a counter of 32 bits that comes round: two may have one number.
bool has_number_of_its_own(const UniqueFd& file) {
    struct statfs system{};
    return fstatfs(file.get(), &system) == 0 && system.f_type == TMPFS_MAGIC;
}

}  // namespace

Result<std::shared_ptr<FileView>> FileView::map(UniqueFd file, std::uint64_t bytes) {
    void* const start = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, file.get(), 0);
    if (start == MAP_FAILED)
        return fail(errno == ENOMEM ? ENOMEM : EINVAL, fmt::format("the file cannot be mapped for reading and writing: {}", std::strerror(errno)));
    madvise(start, bytes, MADV_DONTFORK);
    return std::shared_ptr<FileView>(new FileView(start, bytes));
}

FileView::~FileView() { munmap(start_, bytes_); }

Result<std::shared_ptr<FileView>> ClientViews::view_of(UniqueFd file, Number number, std::uint64_t bytes) {
    if (!has_number_of_its_own(file)) return FileView::map(std::move(file), bytes);
    std::erase_if(views_, [](const auto& entry) { return entry.second.expired(); });
    std::weak_ptr<FileView>& known = views_[number];
    if (auto view = known.lock(); view && view->bytes() == bytes) return view;
    SMMU_TRY(std::shared_ptr<FileView> view, FileView::map(std::move(file), bytes));
    known = view;
    return view;
}

Result<std::unique_ptr<platform::PinnedMemory>> ClientViews::hold(UniqueFd file, std::uint64_t offset, std::uint64_t length) {
    SMMU_CHECK(check_seals(file));
    struct stat status{};
    if (fstat(file.get(), &status) != 0) return fail(EINVAL, fmt::format("the file cannot be looked at: {}", std::strerror(errno)));
    const auto size = std::uint64_t(status.st_size);
    if (length == 0 || offset > size || length > size - offset)
        return fail(EINVAL, fmt::format("{:#x} bytes at {:#x} leave the file of {:#x} bytes", length, offset, size));
    if (length > most_bytes) return fail(E2BIG, fmt::format("{:#x} bytes at once; grant them in parts of {} GiB", length, most_bytes >> 30));
    SMMU_CHECK(check_filled(status));
    SMMU_TRY(std::shared_ptr<FileView> view, view_of(std::move(file), {status.st_dev, status.st_ino}, size));
    const PhysAddr first{(view->address() | process_memory) + offset};
    return std::make_unique<HeldFile>(std::move(view), PhysRange{first, first + (length - 1)});
}

}  // namespace smmu::units::vfio
