// SPDX-License-Identifier: Apache-2.0
#include "platform/linux/held_pages.hpp"

#include <algorithm>
#include <memory>

#include "platform/linux/huge_file.hpp"
#include "platform/linux/page_map.hpp"

namespace smmu::platform::linux {

namespace {

// Views stay below 1 GiB: of such a part of a file the kernel lets processes share their page tables, and then what this one reads
// could be what another one changed meanwhile.
constexpr std::uint64_t largest_view = std::uint64_t{512} << 20;

Result<HeldPages> hold_part(const HostFiles& files, const UniqueFd& memory, std::span<const std::uint32_t> pages, std::uint64_t page_bytes,
                            Holes holes) {
    // The mapping of a pinned buffer would be the better witness, but /proc/self/pagemap leaves such mappings out (VM_PFNMAP). A view
    // of the file loses a page for good when it is taken out of the file: nobody touches it here.
    const auto look = [&]() -> Result<Whereabouts> {
        SMMU_TRY(HugeView mapped, HugeView::map(memory, pages, page_bytes, holes));
        SMMU_TRY(PageMap opened, PageMap::open(files.path("/proc/self/pagemap")));
        const auto view = std::make_shared<HugeView>(std::move(mapped));
        const auto map = std::make_shared<PageMap>(std::move(opened));
        return Whereabouts([=] { return map->addresses(view->bytes(), page_bytes); });
    };
    return hold(look, [&] { return pin_pages(files, memory, pages, page_bytes, holes); });
}

}  // namespace

Result<HeldPages> hold(const std::function<Result<Whereabouts>()>& look, const std::function<Result<std::vector<UniqueFd>>()>& pin) {
    for (int tried = 0; tried < most_tries_to_hold; ++tried) {
        SMMU_TRY(const Whereabouts where, look());
        const auto before = where();
        if (!before && before.error().code != EIO) return std::unexpected(before.error());
        SMMU_TRY(auto pins, pin());
        const auto after = where();
        if (before && after && *before == *after) return HeldPages{std::move(pins), *after};
    }
    return fail(EAGAIN, "the pages of this memory are changed all the time; nobody may give them back while devices get them");
}

Result<HeldPages> hold_pages(const HostFiles& files, const UniqueFd& memory, std::span<const std::uint32_t> pages, std::uint64_t page_bytes,
                             Holes holes) {
    const auto at_once = std::max<std::size_t>(1, largest_view / page_bytes);
    HeldPages held;
    for (; !pages.empty(); pages = pages.subspan(std::min(at_once, pages.size()))) {
        SMMU_TRY(HeldPages part, hold_part(files, memory, pages.first(std::min(at_once, pages.size())), page_bytes, holes));
        std::ranges::move(part.pins, std::back_inserter(held.pins));
        std::ranges::copy(part.addresses, std::back_inserter(held.addresses));
    }
    return held;
}

}  // namespace smmu::platform::linux
