// SPDX-License-Identifier: Apache-2.0
#include "units/vtd/predecessor.hpp"

#include <algorithm>
#include <set>

#include "units/vtd/context_tables.hpp"

namespace smmu::units::vtd {
namespace {

// Collects what occurs in one context table; false when an entry is not one of ours.
bool read_contexts(const std::uint64_t* words, const Hardware& hardware, const memory::Arena& arena,
                   std::set<std::uint16_t>& domains) {
    for (std::size_t function = 0; function < functions_of_bus; ++function) {
        const auto entry = ContextEntry::from({words[2 * function], words[2 * function + 1]});
        if (!entry.is_well_formed()) return false;
        if (!entry.is_present()) continue;
        const ContextTarget target = entry.target();
        if (target.width_code != hardware.features().width_code || target.domain == 0 ||
            target.domain >= hardware.features().domains || arena.words_at(target.table) == nullptr)
            return false;
        domains.insert(target.domain);
    }
    return true;
}

}  // namespace

std::optional<Predecessor> find_predecessor(const Hardware& hardware, const memory::Arena& arena) {
    if (!arena.continued()) return std::nullopt;
    const hw::Registers& registers = hardware.registers();
    if (!registers.read<GlobalStatus>().has(GlobalStatus::translation)) return std::nullopt;
    const auto root = registers.read<RootTable>();
    if (root[RootTable::mode] != std::uint64_t(TableMode::legacy)) return std::nullopt;
    const PhysAddr root_at{root.in_place(RootTable::address)};
    const std::uint64_t* const words = arena.words_at(root_at);
    if (words == nullptr) return std::nullopt;

    std::set<PhysAddr> tables{root_at};
    std::set<std::uint16_t> domains;
    for (std::size_t bus = 0; bus < bus_count; ++bus) {
        const auto entry = RootEntry::from({words[2 * bus], words[2 * bus + 1]});
        if (!entry.is_well_formed()) return std::nullopt;
        if (!entry.is_present()) continue;
        const std::uint64_t* const contexts = arena.words_at(entry.contexts());
        if (contexts == nullptr || !tables.insert(entry.contexts()).second) return std::nullopt;
        if (!read_contexts(contexts, hardware, arena, domains)) return std::nullopt;
    }
    return Predecessor{root_at, {domains.begin(), domains.end()}};
}

bool has_own_queue(const Hardware& hardware, const memory::Arena& arena) {
    const auto queue = hardware.registers().read<QueueAddress>();
    return arena.continued() && queue[QueueAddress::wide] == 0 && queue[QueueAddress::size] == 0 &&
           arena.words_at({queue.in_place(QueueAddress::address)}) != nullptr;
}

}  // namespace smmu::units::vtd
