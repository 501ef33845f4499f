// SPDX-License-Identifier: Apache-2.0
#include "platform/linux/kept_tables.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <algorithm>
#include <cstring>
#include <numeric>

#include "holder/client.hpp"
#include "platform/linux/held_pages.hpp"
#include "platform/linux/page_map.hpp"
#include "platform/linux/page_run.hpp"

namespace smmu::platform::linux {

namespace {

constexpr std::string_view deposit_name = "table memory", pins_name = "table pins";
constexpr std::size_t most_pages = holder::largest_note / sizeof(std::uint32_t);
constexpr std::string_view pool = "/sys/kernel/mm/hugepages/hugepages-2048kB/";

constexpr std::uint64_t mebibytes(std::uint64_t pages) { return pages * (huge_page_bytes >> 20); }

std::vector<std::uint32_t> first_pages(std::uint64_t count) {
    std::vector<std::uint32_t> pages(count);
    std::iota(pages.begin(), pages.end(), 0u);
    return pages;
}

std::vector<std::byte> note_of(std::span<const std::uint32_t> pages) {
    const auto bytes = std::as_bytes(pages);
    return {bytes.begin(), bytes.end()};
}

std::vector<std::uint32_t> pages_in(std::span<const std::byte> note) {
    std::vector<std::uint32_t> pages(note.size() / sizeof(std::uint32_t));
    std::memcpy(pages.data(), note.data(), pages.size() * sizeof(std::uint32_t));
    return pages;
}

// Huge pages that nobody has and nobody was promised.
std::uint64_t free_pages(const HostFiles& files) {
    const std::uint64_t free = files.number(std::string(pool) + "free_hugepages").value_or(0);
    return free - std::min(free, files.number(std::string(pool) + "resv_hugepages").value_or(0));
}

std::unexpected<Error> too_few(const HostFiles& files, std::uint64_t pages, std::uint64_t free) {
    const std::uint64_t all = files.number(std::string(pool) + "nr_hugepages").value_or(0);
    return fail(ENOMEM, fmt::format("table memory of {} MiB needs {} huge pages of 2 MiB, and {} are free; reserve them with `sysctl "
                                    "vm.nr_hugepages={}`, or say `tables SIZE`", mebibytes(pages), pages, free, all - free + pages));
}

// The pages that were not taken go back to the pool.
void give_back_others(const UniqueFd& file, std::uint64_t all, std::span<const std::uint32_t> taken) {
    for (std::uint32_t page = 0; page < all; ++page)
        if (std::ranges::find(taken, page) == taken.end())
            fallocate(file.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, off_t(page * huge_page_bytes), off_t(huge_page_bytes));
}

Result<std::vector<PhysAddr>> addresses_of(const HostFiles& files, const HugeView& view) {
    SMMU_TRY(const PageMap map, PageMap::open(files.path("/proc/self/pagemap")));
    return map.addresses(view.bytes(), huge_page_bytes);
}

std::unexpected<Error> not_ours(std::string_view what) {
    return fail(EPROTO, fmt::format("smmuman-holder keeps something else than table memory: {}; restart the machine", what));
}

// A file that make_huge_file() made.
Result<std::uint64_t> pages_of(const UniqueFd& file) {
    struct statfs system{};
    struct stat status{};
    if (fstatfs(file.get(), &system) != 0 || fstat(file.get(), &status) != 0 || system.f_type != HUGETLBFS_MAGIC ||
        std::uint64_t(system.f_bsize) != huge_page_bytes)
        return not_ours("its file has no huge pages of 2 MiB");
    constexpr int wanted = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
    if (const int seals = fcntl(file.get(), F_GET_SEALS); seals != wanted) return not_ours("its file is not sealed, or more than it should be");
    return std::uint64_t(status.st_size) / huge_page_bytes;
}

}  // namespace

Result<void> check_deposit(const holder::Deposit& deposit) {
    if (deposit.descriptors.size() < 2) return not_ours("its pins are missing");
    SMMU_TRY(const std::uint64_t all, pages_of(deposit.descriptors.front()));
    if (deposit.note.empty() || deposit.note.size() % sizeof(std::uint32_t) != 0) return not_ours("it does not say which pages");
    std::vector<std::uint32_t> pages = pages_in(deposit.note);
    std::ranges::sort(pages);
    if (pages.back() >= all || std::ranges::adjacent_find(pages) != pages.end()) return not_ours("its pages are not those of its file");
    return {};
}

// Looks for `pages` in a row among all pages of the file and pins these. Pinning can move a page that lies where the kernel
// wants to be able to unplug memory: then they are looked at anew.
Result<void> KeptTables::take(const HostFiles& files, const UniqueFd& file, std::span<const std::uint32_t> all, std::uint64_t pages) {
    SMMU_TRY(const HugeView view, HugeView::map(file, all));
    SMMU_TRY(const auto addresses, addresses_of(files, view));
    const auto run = page_run(addresses, huge_page_bytes, pages);
    if (run.size() < pages)
        return fail(ENOMEM, fmt::format("table memory of {} MiB must lie in a row, and of {} huge pages at most {} do; say `tables {}M`, or "
                                        "reserve huge pages when the machine starts (kernel parameter hugepages=N)",
                                        mebibytes(pages), all.size(), run.size(), mebibytes(run.size())));
    SMMU_TRY(HeldPages held, hold_pages(files, file, run, huge_page_bytes));
    deposit_ = {std::move(held.pins), note_of(run)};
    places_ = std::move(held.addresses);
    give_back_others(file, all.size(), run);
    return {};
}

// As few pages as can be are tried first: mostly they lie in a row. Then all there are.
Result<KeptTables> KeptTables::make(const HostFiles& files, std::uint64_t pages) {
    const std::uint64_t free = free_pages(files);
    if (free < pages) return too_few(files, pages, free);
    KeptTables tables;
    for (const std::uint64_t tried : {pages, std::min<std::uint64_t>(free, most_pages)}) {
        SMMU_TRY(UniqueFd file, make_huge_file(tried));
        const auto taken = tables.take(files, file, first_pages(tried), pages);
        if (taken) {
            tables.deposit_.descriptors.insert(tables.deposit_.descriptors.begin(), std::move(file));
            return tables;
        }
        if (taken.error().code != ENOMEM || tried >= free) return std::unexpected(taken.error());
    }
    return too_few(files, pages, free);
}

// What a buffer pins nobody can read from it. So the pages are pinned once more, here, where it can be seen which these are.
Result<KeptTables> KeptTables::from(const HostFiles& files, const holder::Client& keeper, holder::Deposit deposit) {
    SMMU_CHECK(check_deposit(deposit));
    KeptTables tables;
    tables.deposit_ = std::move(deposit);
    SMMU_TRY(HeldPages held, hold_pages(files, tables.deposit_.descriptors.front(), pages_in(tables.deposit_.note), huge_page_bytes));
    tables.places_ = std::move(held.addresses);
    tables.further_.descriptors = std::move(held.pins);
    SMMU_CHECK(tables.locate(files));
    if (const auto gone = keeper.let_go(pins_name); !gone && gone.error().code != ENOENT) return std::unexpected(gone.error());
    SMMU_CHECK(keeper.keep(pins_name, tables.further_));
    return tables;
}

// Where the pages are is read anew, whatever was known.
Result<void> KeptTables::locate(const HostFiles& files) {
    SMMU_TRY(view_, HugeView::map(deposit_.descriptors.front(), pages_in(deposit_.note)));
    SMMU_TRY(const auto addresses, addresses_of(files, view_));
    const auto extents = extents_of(addresses, huge_page_bytes);
    if (addresses != places_ || extents.size() != 1)
        return fail(EIO, "table memory does not lie in a row any more; restart the machine, with the kernel parameter hugepages=N");
    range_ = extents.front();
    return {};
}

Result<KeptTables> KeptTables::find(const HostFiles& files, const std::string& holder_socket) {
    const holder::Client keeper(holder_socket);
    SMMU_TRY(auto kept, keeper.hand_out(deposit_name));
    if (!kept) return fail(ENOENT, "smmuman-holder keeps no table memory");
    return from(files, keeper, *std::move(kept));
}

Result<void> KeptTables::keep_again(const holder::Client& keeper) const {
    const auto keep = [&](std::string_view name, const holder::Deposit& deposit) -> Result<void> {
        if (deposit.descriptors.empty()) return {};
        if (auto kept = keeper.keep(name, deposit); !kept && kept.error().code != EEXIST) return kept;
        return {};
    };
    SMMU_CHECK(keep(deposit_name, deposit_));
    return keep(pins_name, further_);
}

Result<KeptTables> KeptTables::open(const HostFiles& files, const std::string& holder_socket, std::uint64_t bytes) {
    const std::uint64_t pages = bytes / huge_page_bytes + (bytes % huge_page_bytes != 0 ? 1 : 0);
    if (pages == 0 || pages > most_pages)
        return fail(EINVAL, fmt::format("table memory of {} bytes; say 2 MiB to {} MiB", bytes, mebibytes(most_pages)));
    const holder::Client keeper(holder_socket);
    SMMU_TRY(auto kept, keeper.hand_out(deposit_name));
    auto tables = kept ? from(files, keeper, *std::move(kept)) : make(files, pages);
    if (!tables) return tables;
    if (!kept) {
        SMMU_CHECK(tables->locate(files));
        SMMU_CHECK(keeper.keep(deposit_name, tables->deposit_));
    }
    if (tables->range_.length() < pages * huge_page_bytes)
        return fail(EINVAL, fmt::format("table memory of this boot has {0} MiB, which hardware may be using; say `tables {0}M`, or restart "
                                        "the machine", tables->range_.length() >> 20));
    return tables;
}

}  // namespace smmu::platform::linux
