// SPDX-License-Identifier: Apache-2.0
// HugeFile: a file of huge pages in memory, and views of it. Such pages are whole in physical memory.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/result.hpp"
#include "base/unique_fd.hpp"

namespace smmu::platform::linux {

inline constexpr std::uint64_t huge_page_bytes = std::uint64_t{2} << 20;

// A file of so many huge pages of 2 MiB, sealed: its size is fixed for ever. It has no page before one is touched.
Result<UniqueFd> make_huge_file(std::uint64_t pages);

// What is missing of a file's pages is made by whoever touches it: for somebody else's file that is to be refused.
enum class Holes : bool { filled, refused };

// EINVAL when a page of the file is missing, anywhere: hugetlbfs says how much is there, not where.
Result<void> check_filled(const UniqueFd& file);

// Pages of a file, one behind the other in the order given, for this process to read and write. While it lives they are in
// memory.
class HugeView {
public:
    HugeView() = default;
    HugeView(HugeView&& other) noexcept { swap(other); }
    HugeView& operator=(HugeView&& other) noexcept {
        swap(other);
        return *this;
    }
    ~HugeView();

    // ENOMEM: the pool of huge pages is too small. EINVAL: there were holes that are refused; somebody who makes some meanwhile has
    // 64 MiB of them, or one page, filled at most.
    static Result<HugeView> map(const UniqueFd& file, std::span<const std::uint32_t> pages, std::uint64_t page_bytes = huge_page_bytes,
                                Holes holes = Holes::filled);
    std::span<std::byte> bytes() const { return bytes_; }

private:
    void swap(HugeView& other) noexcept {
        std::swap(reserved_, other.reserved_);
        std::swap(bytes_, other.bytes_);
    }
    std::span<std::byte> reserved_;  // of address space
    std::span<std::byte> bytes_;     // the aligned part of it
};

}  // namespace smmu::platform::linux
