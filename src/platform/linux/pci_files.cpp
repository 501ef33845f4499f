// SPDX-License-Identifier: Apache-2.0
#include "platform/linux/pci_files.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <set>

#include "base/assert.hpp"

namespace smmu::platform::linux {

namespace {

constexpr std::uint32_t all_ones = ~std::uint32_t{0};

// A hexadecimal number of exactly so many digits.
std::optional<unsigned> digits(std::string_view text, std::size_t begin, std::size_t count) {
    unsigned value = 0;
    const char* const end = text.data() + begin + count;
    const auto [stopped, problem] = std::from_chars(text.data() + begin, end, value, 16);
    if (problem != std::errc{} || stopped != end) return std::nullopt;
    return value;
}

std::uint32_t key_of(PciFunction function) {
    return std::uint32_t{function.segment} << 16 | std::uint32_t{function.bus} << 8 | function.devfn;
}

// The functions that the kernel knows now.
std::set<std::uint32_t> present(const HostFiles& files) {
    std::set<std::uint32_t> keys;
    for (const std::string& name : files.names(pci_folder))
        if (const auto function = function_named(name)) keys.insert(key_of(*function));
    return keys;
}

}  // namespace

std::optional<PciFunction> function_named(std::string_view name) {
    if (name.size() != 12 || name[4] != ':' || name[7] != ':' || name[10] != '.') return std::nullopt;
    const auto segment = digits(name, 0, 4), bus = digits(name, 5, 2), device = digits(name, 8, 2), function = digits(name, 11, 1);
    if (!segment || !bus || !device || !function || *device > 31 || *function > 7) return std::nullopt;
    return PciFunction{std::uint16_t(*segment), std::uint8_t(*bus), std::uint8_t(*device << 3 | *function)};
}

std::string name_of(PciFunction function) {
    return fmt::format("{:04x}:{:02x}:{:02x}.{}", function.segment, function.bus, function.devfn >> 3, function.devfn & 7);
}

template <class Act>
bool PciFiles::on_file(PciFunction function, Act act) noexcept {
    if (const auto known = open_.find(key_of(function)); known != open_.end()) {
        if (act(known->second.get())) return true;
        open_.erase(known);
    }
    UniqueFd file(open(files_.path(fmt::format("{}/{}/config", pci_folder, name_of(function))).c_str(), O_RDWR | O_CLOEXEC));
    if (!file || !act(file.get())) return false;
    open_.emplace(key_of(function), std::move(file));
    return true;
}

void PciFiles::read(std::span<const PciFunction> functions, std::uint16_t offset, std::span<std::uint32_t> values) noexcept {
    SMMU_ASSERT(functions.size() == values.size());
    std::ranges::fill(values, all_ones);
    // Most of those that are asked for are mostly not there: one look at the folder is cheaper than to try each.
    const auto there = present(files_);
    for (std::size_t i = 0; i < functions.size(); ++i)
        if (there.contains(key_of(functions[i]))) read(functions[i], offset, values.subspan(i, 1));
}

// What lies behind the end of the file reads as all ones, as the rest of a function that is not there.
void PciFiles::read(PciFunction function, std::uint16_t offset, std::span<std::uint32_t> values) noexcept {
    SMMU_ASSERT(offset % 4 == 0);
    std::ranges::fill(values, all_ones);
    std::vector<std::uint32_t> found(values.size());
    ssize_t got = 0;
    const bool there = on_file(function, [&](int file) {
        got = pread(file, found.data(), found.size() * sizeof(std::uint32_t), offset);
        return got >= 0;
    });
    if (there) std::copy_n(found.begin(), std::size_t(got) / sizeof(std::uint32_t), values.begin());
}

void PciFiles::write(PciFunction function, std::uint16_t offset, unsigned bytes, std::uint32_t value) noexcept {
    SMMU_ASSERT((bytes == 1 || bytes == 2 || bytes == 4) && offset % bytes == 0);
    on_file(function, [&](int file) { return pwrite(file, &value, bytes, offset) == ssize_t(bytes); });
}

}  // namespace smmu::platform::linux
