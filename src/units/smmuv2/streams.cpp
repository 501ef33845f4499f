// SPDX-License-Identifier: Apache-2.0
#include "units/smmuv2/streams.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace smmu::units::smmuv2 {
namespace {

hw::Bits<StreamToContext> words(Target target, bool extended_valid) {
    return StreamToContext::type.of(std::uint8_t(target.type)) |
           StreamToContext::bank.of(target.bank) |
           StreamToContext::extended_valid.of(extended_valid ? 1 : 0);
}

constexpr std::uint32_t reserved_type = 3;

}  // namespace

std::optional<Entry> read_entry(const Hardware& hardware, unsigned group, bool extended) {
    const auto s2cr = hardware.read_group<StreamToContext>(group);
    Entry entry;
    bool valid = true;
    if (!hardware.features().stream_matching) {
        entry.stream = group;
    } else if (extended) {
        const auto match = hardware.read_group<ExtendedMatch>(group);
        entry.stream = match[ExtendedMatch::stream];
        entry.mask = match[ExtendedMatch::mask];
        valid = s2cr.has(StreamToContext::extended_valid);
    } else {
        const auto match = hardware.read_group<Match>(group);
        entry.stream = match[Match::stream];
        entry.mask = match[Match::mask];
        valid = match.has(Match::valid);
    }
    if (!valid) return std::nullopt;
    entry.target = {StreamType(s2cr[StreamToContext::type]), s2cr[StreamToContext::bank]};
    entry.is_plain = entry.mask == 0 && s2cr[StreamToContext::type] != reserved_type &&
                     s2cr == words(entry.target, extended && hardware.features().stream_matching);
    return entry;
}

// A stream without a group of its own, on a unit that indexes.
Target Streams::target_without_stream() const {
    return {unknown_pass_ && !features().stream_matching ? StreamType::bypass : StreamType::fault,
            0};
}

hw::Bits<StreamToContext> Streams::words_of(const Group& group) const {
    return words(group.target, group.stream.has_value() && features().extended_ids);
}

std::uint32_t Streams::match_of(const Group& group) const {
    if (!group.stream) return 0;
    if (features().extended_ids) return ExtendedMatch::stream.of(raw(*group.stream)).raw();
    return (Match::stream.of(raw(*group.stream)) | Match::valid(1)).raw();
}

// First what becomes of a stream, then that none is matched: with extended ids the first store does
// both.
void Streams::close_all() noexcept {
    unknown_pass_ = false;
    for (unsigned group = 0; group < groups_.size(); ++group) {
        groups_[group] = {};
        erase(group);
    }
}

void Streams::write_target(unsigned group) noexcept {
    hardware_.write_group(group, words_of(groups_[group]));
}

// A group that matched nothing begins to. The last store opens it: the SMR, or the S2CR where that
// holds the valid bit.
void Streams::open(unsigned group) noexcept {
    if (!features().stream_matching) return write_target(group);
    const hw::Bits<Match> match(match_of(groups_[group]));
    if (features().extended_ids) {
        hardware_.write_group(group, match);
        write_target(group);
    } else {
        write_target(group);
        hardware_.write_group(group, match);
    }
}

void Streams::erase(unsigned group) noexcept {
    groups_[group] = {.stream = std::nullopt, .target = target_without_stream(), .pinned = false};
    write_target(group);
    if (features().stream_matching) hardware_.write_group(group, hw::Bits<Match>(0));
}

std::optional<std::string> Streams::difference() const {
    for (unsigned i = 0; i < groups_.size(); ++i) {
        const auto wanted = words_of(groups_[i]);
        const auto seen = hardware_.read_group<StreamToContext>(i);
        if (seen != wanted)
            return fmt::format("S2CR{}: {:#x} was written, {:#x} is there now", i, wanted.raw(),
                               seen.raw());
        if (!features().stream_matching) continue;
        const auto match = hardware_.read_group<Match>(i);
        if (match.raw() != match_of(groups_[i]))
            return fmt::format("SMR{}: {:#x} was written, {:#x} is there now", i,
                               match_of(groups_[i]), match.raw());
    }
    return std::nullopt;
}

Result<void> Streams::confirm() const {
    const auto differs = difference();
    if (!differs) return {};
    return fail(EIO, fmt::format("{}: {}; firmware that keeps these registers for itself is not "
                                 "supported",
                                 hardware_.name(), *differs));
}

Result<void> Streams::measure() noexcept {
    if (!features().stream_matching) return {};
    constexpr unsigned group = 0;
    SMMU_ASSERT(!groups_[group].stream);
    if (features().extended_ids) {
        hardware_.write_group(group, ExtendedMatch::stream(0xffff));
        usable_ = hardware_.read_group<ExtendedMatch>(group)[ExtendedMatch::stream];
    } else {
        hardware_.write_group(group, Match::stream(0x7fff));
        usable_ = hardware_.read_group<Match>(group)[Match::stream];
    }
    hardware_.write_group(group, hw::Bits<Match>(0));
    return {};
}

void Streams::adopt(const std::vector<std::optional<Entry>>& entries) {
    for (unsigned i = 0; i < groups_.size(); ++i) {
        groups_[i] = {};
        if (!entries[i]) {
            erase(i);  // whoever died may have written half of it
            continue;
        }
        groups_[i].stream = StreamId(entries[i]->stream);
        groups_[i].target = entries[i]->target;
    }
}

Result<void> Streams::check(StreamId stream) const {
    const std::uint32_t id = raw(stream);
    const bool beyond =
        features().stream_matching ? id >> features().stream_bits != 0 : id >= features().groups;
    if (beyond)
        return fail(
            EINVAL,
            fmt::format(
                "{}: stream {:#x} is not one of the {} streams of the unit; correct "
                "the number",
                hardware_.name(), id,
                features().stream_matching ? 1u << features().stream_bits : features().groups));
    if (features().stream_matching && (id & ~usable_) != 0)
        return fail(EINVAL, fmt::format("{}: stream {:#x} has bits that the unit does not compare "
                                        "(it compares {:#x}); it cannot be told from others",
                                        hardware_.name(), id, usable_));
    return {};
}

// By trying, in a group that is closed: a register that drops a bit would match another stream.
Result<void> Streams::check_holds(unsigned group, StreamId stream) const {
    if (!features().stream_matching) return {};
    const auto wanted = features().extended_ids ? hw::Bits<Match>(ExtendedMatch::stream.of(raw(stream)).raw())
                                                : Match::stream.of(raw(stream));
    hardware_.write_group(group, wanted);
    const bool holds = hardware_.read_group<Match>(group) == wanted;
    hardware_.write_group(group, hw::Bits<Match>(0));
    if (holds) return {};
    return fail(EINVAL, fmt::format("{}: stream {:#x} has bits that the unit does not compare; it cannot be told from others",
                                    hardware_.name(), raw(stream)));
}

std::optional<unsigned> Streams::find(StreamId stream) const {
    const auto found = std::ranges::find(groups_, std::optional(stream), &Group::stream);
    if (found == groups_.end()) return std::nullopt;
    return static_cast<unsigned>(found - groups_.begin());
}

std::optional<Target> Streams::target_of(StreamId stream) const {
    const auto group = find(stream);
    return group ? std::optional(groups_[*group].target) : std::nullopt;
}

std::optional<unsigned> Streams::take_group(StreamId stream) noexcept {
    if (!features().stream_matching) return raw(stream);
    const auto number = [&](auto found) { return static_cast<unsigned>(found - groups_.begin()); };
    const auto is_free = [](const Group& group) { return !group.stream; };
    if (const auto free = std::ranges::find_if(groups_, is_free); free != groups_.end())
        return number(free);
    const auto spared = std::ranges::find_if(groups_, [&](const Group& group) {
        return least_wanted_ && !group.pinned && group.target == Target::to(*least_wanted_);
    });
    if (spared == groups_.end()) return std::nullopt;
    erase(number(spared));
    return number(spared);
}

Result<void> Streams::point(StreamId stream, Target target) noexcept {
    SMMU_CHECK(check(stream));
    if (const auto group = find(stream)) {
        if (groups_[*group].target == target) return {};
        groups_[*group].target = target;
        write_target(*group);
        return {};
    }
    const auto group = take_group(stream);
    if (!group)
        return fail(ENOSPC,
                    fmt::format("{}: all {} stream match registers are in use, none is left "
                                "for stream {:#x}; detach a device, or configure fewer "
                                "streams",
                                hardware_.name(), groups_.size(), raw(stream)));
    SMMU_CHECK(check_holds(*group, stream));
    groups_[*group] = {.stream = stream, .target = target, .pinned = false};
    open(*group);
    return {};
}

void Streams::close(StreamId stream) noexcept {
    const auto group = find(stream);
    if (!group) return;
    if (!groups_[*group].pinned) return erase(*group);
    groups_[*group].target = {};
    write_target(*group);
}

void Streams::pin(StreamId stream) {
    if (const auto group = find(stream)) groups_[*group].pinned = true;
}

void Streams::let_unknown_pass() noexcept {
    unknown_pass_ = true;
    if (features().stream_matching) return;
    for (unsigned group = 0; group < groups_.size(); ++group)
        if (!groups_[group].stream) erase(group);
}

bool Streams::lead_to(unsigned bank) const {
    return std::ranges::any_of(groups_, [&](const Group& group) {
        return group.stream && group.target == Target::to(bank);
    });
}

std::vector<StreamId> Streams::present() const {
    std::vector<StreamId> result;
    for (const Group& group : groups_)
        if (group.stream) result.push_back(*group.stream);
    return result;
}

}  // namespace smmu::units::smmuv2
