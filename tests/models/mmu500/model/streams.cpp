// SPDX-License-Identifier: Apache-2.0
#include "tests/models/mmu500/model/streams.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace smmu::model::mmu500 {
namespace {

constexpr std::uint32_t smr_valid = 1u << 31;
constexpr std::uint32_t exid_valid = 1u << 10;
constexpr std::uint32_t first_leftover = 0x7000;

constexpr StreamType type_of(std::uint32_t s2cr) {
    return StreamType(s2cr >> 16 & 3);
}

}  // namespace

// Where reset values are undefined, a boot loader's streams are there, each one bypassing.
Streams::Streams(const Features& features, const Behaviour& behaviour, const Voice& complain)
    : features_(features), complain_(complain), groups_(features.streams()) {
    if (!behaviour.undefined_reset) return;
    for (std::uint32_t i = 0; i < groups_.size(); ++i) {
        groups_[i].smr = smr_valid | (first_leftover + i);
        groups_[i].s2cr = std::uint32_t(StreamType::bypass) << 16;
    }
}

bool Streams::is_valid(const Group& group) const {
    return extended_ ? (group.s2cr & exid_valid) != 0 : (group.smr & smr_valid) != 0;
}

Streams::Pattern Streams::pattern(const Group& group) const {
    const std::uint32_t ids = extended_ ? 0xffff : 0x7fff;
    return {group.smr & ids, group.smr >> 16 & ids};
}

std::uint32_t Streams::read_smr(unsigned index) const {
    return features_.stream_matching ? groups_[index].smr : 0;
}

std::uint32_t Streams::read_s2cr(unsigned index) const {
    return groups_[index].s2cr;
}

// Bits that the unit does not compare cannot be set.
void Streams::write_smr(unsigned index, std::uint32_t value) {
    if (!features_.stream_matching)
        return complain_("a stream match register is written on a unit that indexes");
    Group& group = groups_[index];
    const std::uint32_t ids = (1u << (extended_ ? 16 : features_.stream_bits)) - 1;
    const std::uint32_t masks = ((1u << features_.mask_bits) - 1) & ids;
    const std::uint32_t kept = value & (ids | masks << 16 | (extended_ ? 0 : smr_valid));
    const Group before = group;
    if (is_valid(before) && before.smr_written && ((kept ^ before.smr) & ~smr_valid) != 0 &&
        (extended_ || (kept & smr_valid) != 0))
        complain_(fmt::format("SMR {} is changed while it is valid", index));
    group.smr = kept;
    group.smr_written = true;
    if (is_valid(group) && (!is_valid(before) || !before.smr_written)) {
        if (kept != value)
            complain_(fmt::format("SMR {} becomes valid with bits that are not implemented: {:#x}",
                                  index, value));
        check_new(index);
    }
}

void Streams::write_s2cr(unsigned index, std::uint32_t value) {
    Group& group = groups_[index];
    const bool was_valid = is_valid(group) && group.s2cr_written;
    if (type_of(value) == StreamType::reserved)
        complain_(fmt::format("S2CR {} has the reserved type 3", index));
    if (value >> 30 != 0) complain_(fmt::format("reserved bits of S2CR {} are set", index));
    if (!extended_ && (value & exid_valid) != 0)
        complain_(fmt::format("S2CR {} sets EXIDVALID without extended ids", index));
    if (type_of(value) == StreamType::translate && (value & 0xff) >= features_.banks)
        complain_(fmt::format("S2CR {} leads to bank {}, which is not there", index, value & 0xff));
    group.s2cr = value;
    group.s2cr_written = true;
    if (extended_ && is_valid(group) && !was_valid) check_new(index);
}

void Streams::check_new(unsigned index) const {
    if (!groups_[index].s2cr_written)
        complain_(fmt::format("SMR {} becomes valid before its S2CR was ever written", index));
    const Pattern own = pattern(groups_[index]);
    for (unsigned i = 0; i < groups_.size(); ++i) {
        const Pattern other = pattern(groups_[i]);
        if (i != index && is_valid(groups_[i]) &&
            ((own.id ^ other.id) & ~(own.mask | other.mask)) == 0)
            complain_(fmt::format("SMR {} and SMR {} match the same streams", i, index));
    }
}

void Streams::set_extended(bool extended) {
    extended_ = extended;
}

bool Streams::any_valid() const {
    return features_.stream_matching && std::ranges::any_of(groups_, [&](const Group& group) {
               return is_valid(group) && group.smr_written;
           });
}

bool Streams::lead_to(unsigned bank) const {
    return std::ranges::any_of(groups_, [&](const Group& group) {
        return (!features_.stream_matching || is_valid(group)) && group.s2cr_written &&
               type_of(group.s2cr) == StreamType::translate && (group.s2cr & 0xff) == bank;
    });
}

void Streams::check_all_written() const {
    for (unsigned i = 0; i < groups_.size(); ++i) {
        if (!groups_[i].s2cr_written)
            return complain_(fmt::format("translation begins and S2CR {} was never written", i));
        if (features_.stream_matching && !groups_[i].smr_written)
            return complain_(fmt::format("translation begins and SMR {} was never written", i));
    }
}

// Of several that match, one that lets the stream through: what is unpredictable may be the worst.
Streams::Match Streams::match(std::uint16_t stream) const {
    if (!features_.stream_matching) {
        if (stream >= groups_.size()) return {};
        return {groups_[stream].s2cr};
    }
    Match found;
    for (const Group& group : groups_) {
        const Pattern pattern = this->pattern(group);
        if (!is_valid(group) || ((stream ^ pattern.id) & ~pattern.mask) != 0) continue;
        found.conflict = found.s2cr.has_value();
        if (!found.s2cr || type_of(group.s2cr) == StreamType::bypass) found.s2cr = group.s2cr;
        if (found.conflict) break;
    }
    if (found.conflict) complain_(fmt::format("StreamID {:#x} matches several SMRs", stream));
    return found;
}

}  // namespace smmu::model::mmu500
