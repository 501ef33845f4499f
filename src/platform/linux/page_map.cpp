// SPDX-License-Identifier: Apache-2.0
#include "platform/linux/page_map.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cstring>
#include <optional>

namespace smmu::platform::linux {

std::optional<std::uint64_t> frame_number(std::uint64_t word) {
    constexpr std::uint64_t present = std::uint64_t{1} << 63, number = (std::uint64_t{1} << 55) - 1;
    if ((word & present) == 0) return std::nullopt;
    return word & number;
}

Result<PageMap> PageMap::open(const std::string& path) {
    UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file) return fail(errno, fmt::format("{}: {}; run smmuman as root", path, std::strerror(errno)));
    return PageMap(std::move(file));
}

Result<PhysAddr> PageMap::address(std::uintptr_t at) const {
    const auto page = std::uint64_t(sysconf(_SC_PAGESIZE));
    std::uint64_t word = 0;
    if (pread(file_.get(), &word, sizeof word, off_t(at / page * sizeof word)) != sizeof word)
        return fail(EIO, fmt::format("the kernel does not say where address {:#x} of this process lies", at));
    const auto number = frame_number(word);
    if (!number) return fail(EIO, fmt::format("address {:#x} of this process is not in memory", at));
    if (*number == 0) return fail(EPERM, "/proc/self/pagemap hides addresses; run smmuman as root with CAP_SYS_ADMIN");
    return PhysAddr{*number * page + at % page};
}

Result<std::vector<PhysAddr>> PageMap::addresses(std::span<const std::byte> view, std::uint64_t step) const {
    std::vector<PhysAddr> found;
    for (std::uint64_t offset = 0; offset < view.size(); offset += step) {
        SMMU_TRY(const PhysAddr at, address(reinterpret_cast<std::uintptr_t>(view.data()) + offset));
        found.push_back(at);
    }
    return found;
}

}  // namespace smmu::platform::linux
