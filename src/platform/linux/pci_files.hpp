// SPDX-License-Identifier: Apache-2.0
// PciFiles: configuration space by the files that the kernel has for each function.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "base/unique_fd.hpp"
#include "platform/linux/host_files.hpp"
#include "platform/platform.hpp"

namespace smmu::platform::linux {

inline constexpr std::string_view pci_folder = "/sys/bus/pci/devices";

// "0000:00:03.0", the name of a function's folder; nothing for a name that is none (other segments than PCI has, too).
std::optional<PciFunction> function_named(std::string_view name);
std::string name_of(PciFunction function);

class PciFiles final : public PciConfig {
public:
    explicit PciFiles(HostFiles files) : files_(std::move(files)) {}

    void read(std::span<const PciFunction> functions, std::uint16_t offset, std::span<std::uint32_t> values) noexcept override;
    void read(PciFunction function, std::uint16_t offset, std::span<std::uint32_t> values) noexcept override;
    void write(PciFunction function, std::uint16_t offset, unsigned bytes, std::uint32_t value) noexcept override;

private:
    // Calls act(descriptor) on the function's file: the one that is open, and once more on a new one when a function that was
    // taken out was put in again. False: it is not there.
    template <class Act>
    bool on_file(PciFunction function, Act act) noexcept;

    HostFiles files_;
    std::map<std::uint32_t, UniqueFd> open_;  // by segment, bus and function
};

}  // namespace smmu::platform::linux
