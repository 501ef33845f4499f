// SPDX-License-Identifier: Apache-2.0
#include "units/vtd/pasid_tables.hpp"

#include <algorithm>
#include <span>

#include "memory/coherency.hpp"

namespace smmu::units::vtd {
namespace {

constexpr std::size_t words_of_frame = memory::frame_bytes / sizeof(std::uint64_t);

bool all_zero(const std::uint64_t* words, std::size_t from) {
    return std::all_of(words + from, words + words_of_frame,
                       [](std::uint64_t word) { return word == 0; });
}

}  // namespace

Result<PasidTables> PasidTables::create(PhysAddr page_table, std::uint16_t domain,
                                        const Features& features, memory::Arena& arena,
                                        memory::Account& account) {
    SMMU_TRY(std::vector<memory::Frame> frames, arena.take_many(account, 2));
    PasidTables tables(std::move(frames[0]), std::move(frames[1]));
    const PasidEntry entry = PasidEntry::translating(page_table, domain, features);
    std::ranges::copy(entry.raw, tables.table_.words());
    *tables.directory_.words() = TablePointer::to(tables.table_.address()).raw();
    for (const memory::Frame* frame : {&tables.table_, &tables.directory_})
        memory::publish(features.coherency, frame->words(), memory::frame_bytes);
    return tables;
}

void PasidTables::retire(memory::Gather& gathered) noexcept {
    gathered.retire(std::move(directory_));
    gathered.retire(std::move(table_));
}

void PasidTables::release(std::vector<memory::Frame>& frames) {
    frames.push_back(std::move(directory_));
    frames.push_back(std::move(table_));
}

std::optional<PasidEntry> read_pasid_tables(PhysAddr directory, const Features& features,
                                            const memory::Arena& arena) {
    const std::uint64_t* const pointers = arena.words_at(directory);
    if (pointers == nullptr) return std::nullopt;
    const auto pointer = TablePointer::from(pointers[0]);
    if (!pointer.is_present() || !pointer.is_well_formed() || !all_zero(pointers, 1))
        return std::nullopt;
    const std::uint64_t* const entries = arena.words_at(pointer.table());
    if (entries == nullptr || !all_zero(entries, PasidEntry::words)) return std::nullopt;
    PasidEntry entry;
    std::copy_n(entries, PasidEntry::words, entry.raw.begin());
    if (!entry.is_well_formed(features)) return std::nullopt;
    return entry;
}

}  // namespace smmu::units::vtd
