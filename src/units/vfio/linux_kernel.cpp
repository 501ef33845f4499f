// SPDX-License-Identifier: Apache-2.0
#include "units/vfio/linux_kernel.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/vfio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstring>

namespace smmu::units::vfio {
namespace {

constexpr std::size_t longest_record = 8192;  // of the log; the kernel's own bound is lower
constexpr std::size_t largest_information = 65536;
// `what` and why the kernel does not do it.
std::unexpected<Error> refused(int code, std::string_view what) { return fail(code, fmt::format("{}: {}", what, std::strerror(code))); }

constexpr std::size_t usual_mappings = 65535;  // vfio_iommu_type1's dma_entry_limit unless somebody changed it

class LinuxGroup final : public Group {
public:
    LinuxGroup(UniqueFd group, UniqueFd container) : group_(std::move(group)), container_(std::move(container)) {}

    Result<void> map(const Mapping& mapping) noexcept override;
    Result<void> unmap(IovaRange range) noexcept override;
    Result<void> unmap_everything() noexcept override;
    bool leave_container() noexcept override { return ioctl(group_.get(), VFIO_GROUP_UNSET_CONTAINER) == 0; }
    Result<UniqueFd> open_device(const std::string& name) override;
    std::span<const IovaRange> addresses() const noexcept override { return addresses_; }
    std::size_t mappings_possible() const noexcept override { return mappings_possible_; }

    // Asks the container what it can do; it is in it already.
    Result<void> learn();

private:
    void learn_from(std::span<const std::byte> information);

    UniqueFd group_, container_;
    std::vector<IovaRange> addresses_;
    std::size_t mappings_possible_ = usual_mappings;
};

Result<void> LinuxGroup::map(const Mapping& mapping) noexcept {
    vfio_iommu_type1_dma_map request{};
    request.argsz = sizeof request;
    if (permits(mapping.backing.access, Access::read) || permits(mapping.backing.access, Access::execute)) request.flags |= VFIO_DMA_MAP_FLAG_READ;
    if (permits(mapping.backing.access, Access::write)) request.flags |= VFIO_DMA_MAP_FLAG_WRITE;
    request.vaddr = mapping.backing.memory;
    request.iova = mapping.range.first.value;
    request.size = mapping.range.length();
    if (ioctl(container_.get(), VFIO_IOMMU_MAP_DMA, &request) == 0) return {};
    const int code = errno;
    const auto why = [code] {
        switch (code) {
            case ENOSPC: return "it has as many mappings for this device as it keeps (vfio_iommu_type1.dma_entry_limit)";
            case ENOMEM: return "no memory, or no right to lock more of it (the service needs CAP_IPC_LOCK)";
            case EFAULT: return "the file has no memory there; write to it before it is granted";
            default: return static_cast<const char*>(std::strerror(code));
        }
    };
    return fail(code, fmt::format("the kernel does not map device addresses {:#x}-{:#x}: {}", mapping.range.first.value, mapping.range.last.value, why()));
}

Result<void> LinuxGroup::unmap(IovaRange range) noexcept {
    vfio_iommu_type1_dma_unmap request{};
    request.argsz = sizeof request;
    request.iova = range.first.value;
    request.size = range.length();
    if (ioctl(container_.get(), VFIO_IOMMU_UNMAP_DMA, &request) == 0 && request.size == range.length()) return {};
    return fail(EIO, fmt::format("the kernel does not confirm that device addresses {:#x}-{:#x} are unmapped", range.first.value, range.last.value));
}

Result<void> LinuxGroup::unmap_everything() noexcept {
    vfio_iommu_type1_dma_unmap request{};
    request.argsz = sizeof request;
    request.flags = VFIO_DMA_UNMAP_FLAG_ALL;
    if (ioctl(container_.get(), VFIO_IOMMU_UNMAP_DMA, &request) == 0) return {};
    return refused(EIO, "the kernel does not unmap what a device reaches");
}

Result<UniqueFd> LinuxGroup::open_device(const std::string& name) {
    UniqueFd device(ioctl(group_.get(), VFIO_GROUP_GET_DEVICE_FD, name.c_str()));
    if (device) return device;
    return refused(errno, name);
}

Result<void> LinuxGroup::learn() {
    std::vector<std::byte> information(sizeof(vfio_iommu_type1_info));
    for (int round = 0; round < 2; ++round) {  // the second has room for all
        vfio_iommu_type1_info head{};
        head.argsz = std::uint32_t(information.size());
        std::memcpy(information.data(), &head, sizeof head);
        if (ioctl(container_.get(), VFIO_IOMMU_GET_INFO, information.data()) != 0)
            return refused(errno, "VFIO does not say what it can do");
        std::memcpy(&head, information.data(), sizeof head);
        if (head.argsz <= information.size()) break;
        information.resize(std::min<std::size_t>(head.argsz, largest_information));
    }
    learn_from(information);
    return {};
}

// A chain of capabilities, each with the offset of the next one.
void LinuxGroup::learn_from(std::span<const std::byte> information) {
    const auto read = [&]<class T>(std::size_t at, T& value) {
        if (at > information.size() || information.size() - at < sizeof value) return false;
        std::memcpy(&value, information.data() + at, sizeof value);
        return true;
    };
    vfio_iommu_type1_info head{};
    if (!read(0, head) || (head.flags & VFIO_IOMMU_INFO_CAPS) == 0) return;
    std::size_t at = head.cap_offset;
    constexpr int most_capabilities = 64;
    for (int i = 0; i < most_capabilities && at != 0; ++i) {
        vfio_info_cap_header header{};
        if (!read(at, header)) return;
        if (header.id == VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL) {
            vfio_iommu_type1_info_dma_avail available{};
            if (read(at, available)) mappings_possible_ = available.avail;
        } else if (header.id == VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE) {
            using Ranges = vfio_iommu_type1_info_cap_iova_range;
            std::uint32_t count = 0;
            if (!read(at + offsetof(Ranges, nr_iovas), count)) return;
            vfio_iova_range range{};
            for (std::size_t n = 0; n < count && read(at + sizeof(Ranges) + n * sizeof range, range); ++n)
                if (range.start <= range.end) addresses_.push_back({{range.start}, {range.end}});
        }
        at = header.next;
    }
}

// Whether it is iommufd in VFIO's clothes, which lets a group go while its devices are still open. It knows a command that VFIO
// does not (IOMMU_DESTROY of linux/iommufd.h), and has no object of number 0.
bool is_iommufd(const UniqueFd& container) {
    struct {
        std::uint32_t size, object;
    } destroy{sizeof destroy, 0};
    return ioctl(container.get(), _IO(VFIO_TYPE, 0x80), &destroy) == 0 || (errno != EINVAL && errno != ENOTTY);
}

Result<UniqueFd> open_container() {
    constexpr const char* path = "/dev/vfio/vfio";
    UniqueFd container(open(path, O_RDWR | O_CLOEXEC));
    if (!container) return refused(errno, "/dev/vfio/vfio, which the modules vfio_iommu_type1 and vfio-pci bring");
    if (ioctl(container.get(), VFIO_GET_API_VERSION) != VFIO_API_VERSION || ioctl(container.get(), VFIO_CHECK_EXTENSION, VFIO_TYPE1v2_IOMMU) <= 0 ||
        ioctl(container.get(), VFIO_CHECK_EXTENSION, VFIO_UNMAP_ALL) <= 0)
        return fail(ENOTSUP, fmt::format("{}: the kernel has no type 1 containers of version 2 that are emptied at once; load the module "
                                         "vfio_iommu_type1 of Linux 5.12 or newer", path));
    if (is_iommufd(container))
        return fail(ENOTSUP, fmt::format("{} is iommufd's (CONFIG_IOMMUFD_VFIO_CONTAINER), which lets a device change hands while its last owner has it "
                                         "open; a kernel with CONFIG_VFIO_CONTAINER is needed", path));
    return container;
}

Result<UniqueFd> open_group(unsigned number) {
    const std::string path = fmt::format("/dev/vfio/{}", number);
    UniqueFd group(open(path.c_str(), O_RDWR | O_CLOEXEC));
    if (group) return group;
    const int code = errno;
    if (code == ENOENT) return fail(code, path + " is not there: no device of the group is bound to vfio-pci");
    if (code == EBUSY) return fail(code, path + ": another process has it, or a descriptor of one of its devices");
    return refused(code, path);
}

class LinuxKernel final : public Kernel {
public:
    explicit LinuxKernel(UniqueFd log) : log_(std::move(log)) {}
    Result<std::unique_ptr<Group>> take(unsigned number) override;
    Result<std::optional<std::string_view>> next_record() noexcept override;
    bool reads_log() const override { return bool(log_); }
    bool forgeable_interrupts() const override;

private:
    UniqueFd log_;  // nothing: it may not be read
    std::array<char, longest_record> record_{};
};

Result<std::unique_ptr<Group>> LinuxKernel::take(unsigned number) {
    SMMU_TRY(UniqueFd group, open_group(number));
    vfio_group_status status{};
    status.argsz = sizeof status;
    if (ioctl(group.get(), VFIO_GROUP_GET_STATUS, &status) != 0)
        return refused(errno, "the state of the group");
    if ((status.flags & VFIO_GROUP_FLAGS_VIABLE) == 0)
        return fail(EPERM, "a driver of the kernel uses one of its devices, which could then be made to do DMA for the other");
    SMMU_TRY(UniqueFd container, open_container());
    const int place = container.get();
    if (ioctl(group.get(), VFIO_GROUP_SET_CONTAINER, &place) != 0)
        return refused(errno, "VFIO does not take the group");
    if (ioctl(container.get(), VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU) != 0)
        return refused(errno, "VFIO makes no container of it (without interrupt remapping its devices could forge interrupts, which is EPERM)");
    auto taken = std::make_unique<LinuxGroup>(std::move(group), std::move(container));
    SMMU_CHECK(taken->learn());
    return taken;
}

Result<std::optional<std::string_view>> LinuxKernel::next_record() noexcept {
    if (!log_) return std::nullopt;
    const ssize_t got = read(log_.get(), record_.data(), record_.size());
    if (got > 0) return std::string_view(record_.data(), std::size_t(got));
    if (got < 0 && errno == EPIPE) return fail(EPIPE, "records of the kernel's log were overwritten");
    return std::nullopt;
}

bool LinuxKernel::forgeable_interrupts() const {
    const UniqueFd said(open("/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts", O_RDONLY | O_CLOEXEC));
    char letter = 'N';
    return said && read(said.get(), &letter, 1) == 1 && letter == 'Y';
}

}  // namespace

Result<std::unique_ptr<Kernel>> open_kernel() {
    SMMU_CHECK(open_container());
    UniqueFd log(open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    if (log) lseek(log.get(), 0, SEEK_END);  // what was refused before is nobody's here
    return std::make_unique<LinuxKernel>(std::move(log));
}

}  // namespace smmu::units::vfio
