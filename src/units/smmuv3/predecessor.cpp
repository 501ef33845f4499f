// SPDX-License-Identifier: Apache-2.0
#include "units/smmuv3/predecessor.hpp"

#include <set>

namespace smmu::units::smmuv3 {
namespace {

// A frame of several pages is in use as a whole; arena_.words_at() knows its start.
class Reading {
public:
    Reading(const Features& features, const memory::Arena& arena) : features_(features), arena_(arena) {}

    const std::set<std::uint16_t>& tags() const { return tags_; }

    // False when anything in the table is not one of ours.
    bool read(PhysAddr root, const StreamTableLayout& layout) {
        const std::uint64_t* const words = arena_.words_at(root);
        if (words == nullptr) return false;
        if (!layout.two_level) return read_entries(words, layout.streams());
        std::set<PhysAddr> leaves;
        for (std::uint64_t index = 0; index < layout.streams() >> StreamTableLayout::split; ++index) {
            if (words[index] == 0) continue;
            const PhysAddr leaf{words[index] & ~std::uint64_t{0xfff}};
            const std::uint64_t* const entries = arena_.words_at(leaf);
            if (words[index] != leaf_pointer(leaf) || entries == nullptr || !leaves.insert(leaf).second) return false;
            if (!read_entries(entries, std::uint64_t{1} << StreamTableLayout::split)) return false;
        }
        return true;
    }

private:
    bool read_entries(const std::uint64_t* words, std::uint64_t count) {
        for (std::uint64_t i = 0; i < count; ++i) {
            const auto entry = decode(words + i * entry_words, features_);
            if (!entry || (entry->target && !note(*entry->target))) return false;
        }
        return true;
    }
    bool note(StreamTarget target) {
        const std::uint64_t* const words = arena_.words_at(target.table);
        if (words == nullptr) return false;
        if (features_.stage == Stage::first) {
            const auto pair = read_descriptors(words, features_);
            if (!pair || arena_.words_at(pair->root) == nullptr) return false;
            target.tag = pair->asid;
        }
        if (target.tag == 0 || target.tag >= features_.tags) return false;
        tags_.insert(target.tag);
        return true;
    }

    const Features& features_;
    const memory::Arena& arena_;
    std::set<std::uint16_t> tags_;
};

}  // namespace

std::optional<Predecessor> find_predecessor(const hw::Registers& registers, const Features& features,
                                            const memory::Arena& arena) {
    if (!arena.continued() || !registers.read<ControlDone>().has(ControlDone::enabled)) return std::nullopt;
    const auto layout = StreamTableLayout::from(registers.read<StreamTableShape>(), features);
    if (!layout) return std::nullopt;
    const PhysAddr root{registers.read<StreamTableBase>().in_place(StreamTableBase::address)};
    Reading reading(features, arena);
    if (!reading.read(root, *layout)) return std::nullopt;
    return Predecessor{root, *layout, {reading.tags().begin(), reading.tags().end()}};
}

}  // namespace smmu::units::smmuv3
