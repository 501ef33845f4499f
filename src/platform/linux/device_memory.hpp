// SPDX-License-Identifier: Apache-2.0
// DeviceMemory: physical addresses that are no memory of the kernel's, by /dev/mem.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "base/range.hpp"
#include "hw/mmio.hpp"
#include "platform/linux/host_files.hpp"

namespace smmu::platform::linux {

// Pages of /dev/mem in this process.
class PhysicalView {
public:
    enum class Caching : bool { none, usual };

    PhysicalView() = default;
    PhysicalView(PhysicalView&& other) noexcept { swap(other); }
    PhysicalView& operator=(PhysicalView&& other) noexcept {
        swap(other);
        return *this;
    }
    ~PhysicalView();

    // Exactly these bytes can be used, of the pages that hold them. EPERM: the kernel, or a driver of its, keeps them.
    static Result<PhysicalView> map(const HostFiles& files, PhysRange range, Caching caching);
    std::span<std::byte> bytes() const { return bytes_; }

private:
    void swap(PhysicalView& other) noexcept {
        std::swap(pages_, other.pages_);
        std::swap(bytes_, other.bytes_);
    }
    std::span<std::byte> pages_;
    std::span<std::byte> bytes_;
};

// A device's registers. EPERM as above; EIO: reading the first one ends in a bus error, or not at all.
Result<std::unique_ptr<hw::Mmio>> open_registers(const HostFiles& files, PhysRange range);

}  // namespace smmu::platform::linux
