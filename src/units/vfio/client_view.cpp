// SPDX-License-Identifier: Apache-2.0
#include "units/vfio/client_view.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cstring>

#include "units/vfio/mapping.hpp"

namespace smmu::units::vfio {
namespace {

class HeldFile final : public platform::PinnedMemory {
public:
    HeldFile(std::shared_ptr<FileView> view, PhysRange extent) : view_(std::move(view)), extent_(extent) {}
    std::span<const PhysRange> extents() const noexcept override { return {&extent_, 1}; }
    platform::PinCost cost() const noexcept override { return {extent_.length(), 0}; }

private:
    std::shared_ptr<FileView> view_;
    PhysRange extent_;
};

// Only memory files can be sealed: nothing else, a device's registers least of all, gets past this.
Result<void> check_seals(const UniqueFd& file) {
    constexpr int wanted = F_SEAL_SHRINK | F_SEAL_GROW;
    const int seals = fcntl(file.get(), F_GET_SEALS);
    if (seals >= 0 && (seals & wanted) == wanted) return {};
    return fail(EINVAL, "memory for devices is a memfd that can neither shrink nor grow: add F_SEAL_SHRINK and F_SEAL_GROW");
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

Result<std::unique_ptr<platform::PinnedMemory>> ClientViews::hold(UniqueFd file, std::uint64_t offset, std::uint64_t length) {
    SMMU_CHECK(check_seals(file));
    struct stat status{};
    if (fstat(file.get(), &status) != 0) return fail(EINVAL, fmt::format("the file cannot be looked at: {}", std::strerror(errno)));
    const auto size = std::uint64_t(status.st_size);
    if (length == 0 || offset > size || length > size - offset)
        return fail(EINVAL, fmt::format("{:#x} bytes at {:#x} leave the file of {:#x} bytes", length, offset, size));
    std::erase_if(views_, [](const auto& entry) { return entry.second.expired(); });
    std::weak_ptr<FileView>& known = views_[{status.st_dev, status.st_ino}];
    std::shared_ptr<FileView> view = known.lock();
    if (!view) {
        SMMU_TRY(view, FileView::map(std::move(file), size));
        known = view;
    }
    const PhysAddr first{(view->address() | process_memory) + offset};
    return std::make_unique<HeldFile>(std::move(view), PhysRange{first, first + (length - 1)});
}

}  // namespace smmu::units::vfio
