// SPDX-License-Identifier: Apache-2.0
#include "units/vtd/predecessor.hpp"

#include <algorithm>
#include <set>

#include "units/vtd/context_tables.hpp"
#include "units/vtd/invalidation_queue.hpp"
#include "units/vtd/pasid_tables.hpp"

namespace smmu::units::vtd {
namespace {

class Reading {
public:
    Reading(const Features& features, const memory::Arena& arena)
        : features_(features), arena_(arena), layout_(features.walk.mode) {}

    const std::set<std::uint16_t>& domains() const { return domains_; }

    // False when anything in the tables is not one of ours.
    bool read_root(PhysAddr root) {
        const std::uint64_t* const words = arena_.words_at(root);
        if (words == nullptr) return false;
        std::set<PhysAddr> tables{root};
        for (std::size_t word = 0; word < layout_.words_per_pointer() * layout_.tables(); ++word) {
            const auto pointer = TablePointer::from(words[word]);
            if (pointer.is_empty()) continue;
            if (!pointer.is_well_formed() || word % layout_.words_per_pointer() != 0) return false;
            const std::uint64_t* const contexts = arena_.words_at(pointer.table());
            if (contexts == nullptr || !tables.insert(pointer.table()).second) return false;
            if (!read_contexts(contexts)) return false;
        }
        return true;
    }

private:
    bool read_contexts(const std::uint64_t* words) {
        for (std::uint32_t i = 0; i < layout_.streams_per_table(); ++i) {
            const std::uint64_t* const entry = words + layout_.words_per_entry() * i;
            const bool sound = layout_.scalable
                                   ? entry[2] == 0 && entry[3] == 0 && read_scalable(entry)
                                   : read_legacy(entry);
            if (!sound) return false;
        }
        return true;
    }
    bool read_legacy(const std::uint64_t* words) {
        const hw::Entry16 found{words[0], words[1]};
        const StreamEntry entry = stream_entry(found);
        if (found != legacy_context(entry, features_.walk)) return false;
        return !entry.is_present() || note(entry.target->table, entry.target->domain);
    }
    bool read_scalable(const std::uint64_t* words) {
        const hw::Entry16 found{words[0], words[1]};
        const StreamEntry entry = stream_entry(found);
        if (found != scalable_context(entry)) return false;
        if (!entry.is_present()) return true;
        const auto pasid = read_pasid_tables(entry.target->table, features_, arena_);
        return pasid && note(pasid->page_table(features_.walk.stage), pasid->domain());
    }
    bool note(PhysAddr page_table, std::uint16_t domain) {
        if (domain == 0 || domain >= features_.domains || arena_.words_at(page_table) == nullptr)
            return false;
        domains_.insert(domain);
        return true;
    }

    const Features& features_;
    const memory::Arena& arena_;
    ContextLayout layout_;
    std::set<std::uint16_t> domains_;
};

}  // namespace

std::optional<Predecessor> find_predecessor(const hw::Registers& registers,
                                            const Features& features, const memory::Arena& arena) {
    if (!arena.continued()) return std::nullopt;
    if (!registers.read<GlobalStatus>().has(GlobalStatus::translation)) return std::nullopt;
    const auto root = registers.read<RootTable>();
    if (root[RootTable::mode] != std::uint64_t(features.walk.mode)) return std::nullopt;
    const PhysAddr root_at{root.in_place(RootTable::address)};
    Reading reading(features, arena);
    if (!reading.read_root(root_at)) return std::nullopt;
    return Predecessor{root_at, {reading.domains().begin(), reading.domains().end()}};
}

bool has_own_queue(const Hardware& hardware, const memory::Arena& arena) {
    const auto queue = hardware.registers().read<QueueAddress>();
    const PhysAddr ring{queue.in_place(QueueAddress::address)};
    return arena.continued() && queue == InvalidationQueue::address_of(ring, hardware.features()) &&
           arena.words_at(ring) != nullptr;
}

}  // namespace smmu::units::vtd
