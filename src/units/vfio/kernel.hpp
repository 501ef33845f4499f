// SPDX-License-Identifier: Apache-2.0
// Kernel: the port to what the kernel offers through VFIO. Tests put another one in its place.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "units/vfio/mapping.hpp"

namespace smmu::units::vfio {

// An IOMMU group in this service's hands, in a container of its own. Its devices reach what is mapped and nothing else; with
// its end (and that of every descriptor of a device) the kernel blocks them.
class Group {
public:
    virtual ~Group() = default;

    // ENOMEM, EFAULT (memory that is not there), ERANGE (an address that the kernel keeps for itself): nothing is mapped then.
    virtual Result<void> map(const Mapping& mapping) noexcept = 0;
    // Exactly what one map() was told. Returns when no device reaches it, caches included. EIO: the kernel says something else.
    virtual Result<void> unmap(IovaRange range) noexcept = 0;
    virtual Result<void> unmap_everything() noexcept = 0;
    // Leaves the container. False: some process has the descriptor of a device, so that the kernel keeps it where it is.
    virtual bool leave_container() noexcept = 0;
    // A new descriptor of the device of this name ("0000:00:03.0"), whose first holder finds it reset.
    virtual Result<UniqueFd> open_device(const std::string& name) = 0;

    virtual std::span<const IovaRange> addresses() const noexcept = 0;  // that can be mapped, ascending
    virtual std::size_t mappings_possible() const noexcept = 0;
};

class Kernel {
public:
    virtual ~Kernel() = default;
    // ENOENT: no device of it is bound to vfio-pci; EBUSY: another process has it; EPERM: a driver of the kernel uses one of its
    // devices, or interrupts of its devices would not be remapped.
    virtual Result<std::unique_ptr<Group>> take(unsigned number) = 0;
    // The next record of the kernel's log, as /dev/kmsg words it; valid until the next call. Nothing: there is none now.
    // EPIPE: records were overwritten before they could be read.
    virtual Result<std::optional<std::string_view>> next_record() noexcept = 0;
    // Without it nobody hears of refusals.
    virtual bool reads_log() const = 0;
    // Devices may forge interrupts: the kernel was told to hand them on without remapping.
    virtual bool forgeable_interrupts() const = 0;
};

}  // namespace smmu::units::vfio
