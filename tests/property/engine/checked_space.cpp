// SPDX-License-Identifier: Apache-2.0
#include "tests/property/engine/checked_space.hpp"

#include <algorithm>
#include <utility>

namespace smmu::paging::test {
namespace {

IovaRange range_of(const Change& change) {
    return std::visit([](const auto& any) { return any.range; }, change);
}

bool contains(const Oracle& outer, const Oracle& inner) {
    Oracle both = outer;
    for (const auto& piece : inner) both.assign(piece.range, piece.value);
    return both == outer;
}

}  // namespace

Oracle CheckedSpaceBase::seen(const CachingWalker::Picture& picture) const {
    Oracle oracle;
    for (const auto& leaf : picture.leaves)
        oracle.assign({Iova{leaf.first}, Iova{leaf.last}},
                      {leaf.hit.physical, (leaf.hit.read ? Access::read : Access::none) |
                                              (leaf.hit.write ? Access::write : Access::none)});
    return oracle;
}

bool CheckedSpaceBase::changed_otherwise(Allowed allowed) const {
    for (const auto& [address, words] : earlier_.tables) {
        const std::uint64_t* const now = walker_->words(address);
        for (std::size_t i = 0; i < words.size(); ++i) {
            if (now[i] == words[i]) continue;
            if (allowed == Allowed::removals ? now[i] != 0 : words[i] != 0) return true;
        }
    }
    return false;
}

void CheckedSpaceBase::forget(const memory::Gather& gathered) {
    std::vector<IovaRange> ranges(gathered.ranges().begin(), gathered.ranges().end());
    const bool leaf_only = gathered.leaf_only();
    const std::uint64_t page = std::uint64_t{1} << layout_.page_log2;
    CachingWalker& caches = fault_ == Fault::other_tag ? *other_->walker_ : *walker_;
    if (gathered.everything() && fault_ == Fault::none) return caches.forget_everything();
    switch (fault_) {
        case Fault::nothing_forgotten: return;
        case Fault::last_page_kept:
            std::erase_if(ranges, [page](const IovaRange& range) { return range.last - range.first < page; });
            for (IovaRange& range : ranges) range.last = range.last - page;
            break;
        case Fault::first_range_kept:
            if (ranges.size() > 1) ranges.erase(ranges.begin());
            break;
        case Fault::walk_cache_kept: return caches.forget(ranges, true);
        case Fault::forgotten_too_late:
            for (const auto& [late, only] : late_) caches.forget(late, only);
            late_ = {{ranges, leaf_only}};
            return;
        case Fault::none:
        case Fault::other_tag: break;
    }
    caches.forget(ranges, leaf_only);
}

void CheckedSpaceBase::flushing(const memory::Gather& gathered) {
    ++flushes;
    if (const auto harm = std::exchange(at_flush, {})) harm();
    if (!releasing_ && changed_otherwise(Allowed::removals))
        note("before the flush something else than a removal happened to a live table");
    // Caches may lead to every table that was there: none of them is anybody else's before they have forgotten.
    for (const auto& [address, words] : earlier_.tables)
        if (arena_.words_at(PhysAddr{address}) == nullptr) note("a table is free before the caches have forgotten it");
    // The device is at work until it is told: it sees what was, or nothing, and never anything else.
    for (const auto& piece : oracle_) {
        for (const std::uint64_t iova : {piece.range.first.value, piece.range.last.value}) {
            const auto hit = walker_->access(iova, random_() % 2 == 0);
            if (hit && hit->physical != piece.value.physical + (iova - piece.range.first.value))
                note("during a removal the device reached what was never asked for");
        }
    }
    forget(gathered);
    earlier_ = walker_->picture();
}

void CheckedSpaceBase::touch(std::uint64_t iova) {
    const auto hit = walker_->access(iova, random_() % 4 == 0);
    const auto expected = oracle_.at(Iova{iova});
    if (hit.has_value() != expected.has_value())
        note(hit ? "the device reaches what is not mapped" : "the device does not reach what is mapped");
    else if (hit && (hit->physical != expected->physical || hit->read != permits(expected->access, Access::read) ||
                     hit->write != permits(expected->access, Access::write)))
        note("the device reaches another place, or with another access, than was mapped");
    if (!walker_->complaint().empty()) note(walker_->complaint());
    const auto translated = space().translate(Iova{iova});
    const bool agrees = expected ? translated && translated.physical.value == expected->physical : !translated;
    if (!agrees) note("translate() says something else than was asked for");
}

void CheckedSpaceBase::touch_around(const std::vector<Change>& changes) {
    for (const Change& change : changes) {
        const IovaRange range = range_of(change);
        const std::uint64_t first = range.first.value, last = range.last.value;
        for (const std::uint64_t iova : {first, last, first + (last - first) / 2, first - 1, last + 1,
                                         first + (std::uint64_t{1} << 32), last + (std::uint64_t{1} << 32),
                                         first + random_() % (last - first + 1)})
            touch(iova);
    }
    // Edges of what is mapped, so that caches are warm where anything can be taken away.
    for (const auto& piece : oracle_) {
        touch(piece.range.first.value);
        touch(piece.range.last.value);
        touch(piece.range.first.value + random_() % (piece.range.last - piece.range.first + 1));
    }
}

// What `map` asks for, page by page where it lists them.
void CheckedSpaceBase::assign(Oracle& oracle, const Map& map) const {
    if (map.pages == nullptr) return oracle.assign(map.range, {map.physical.value, map.access});
    const std::uint64_t page = std::uint64_t{1} << layout_.page_log2;
    for (std::uint64_t i = 0; i <= (map.range.last - map.range.first) / page; ++i)
        oracle.assign({map.range.first + i * page, map.range.first + ((i + 1) * page - 1)}, {map.pages[i].value, map.access});
}

bool CheckedSpaceBase::overlaps_something(const std::vector<Change>& changes) const {
    Oracle left = oracle_;
    for (const Change& change : changes)
        if (std::holds_alternative<Unmap>(change)) left.erase(range_of(change));
    bool overlap = false;
    for (const Change& change : changes) {
        if (std::holds_alternative<Unmap>(change)) continue;
        left.for_each_in(range_of(change), [&](IovaRange, Target) { overlap = true; });
        left.assign(range_of(change), {0, Access::none});
    }
    return overlap;
}

void CheckedSpaceBase::check_plan(const Plan& plan, const std::vector<Change>& changes) {
    Oracle asked = oracle_, closed = oracle_, planned;
    for (const Change& change : changes)
        if (std::holds_alternative<Unmap>(change)) asked.erase(range_of(change));
    const Oracle kept = asked;
    for (const Change& change : changes)
        if (const Map* map = std::get_if<Map>(&change)) assign(asked, *map);
    for (const IovaRange& range : plan.starved()) {
        bool whole = false;
        kept.for_each_in(range, [&](IovaRange part, Target) { whole = whole || part == range; });
        if (!whole) note("starved names what should not have stayed");
        asked.erase(range);
    }
    for (const Unmap& removal : plan.removals()) closed.erase(removal.range);
    planned = closed;
    for (const Map& map : plan.additions()) assign(planned, map);
    if (!(planned == asked)) note("the plan leads to something else than was asked for");
    IntervalMap<Iova, int> disturbed_expected, disturbed_named;
    for (const auto& piece : oracle_)
        planned.for_each_in(piece.range, [&](IovaRange after, Target) {
            for (const Unmap& removal : plan.removals())
                if (const auto part = removal.range.intersection(after)) disturbed_expected.assign(*part, 1);
        });
    for (const IovaRange& range : plan.disturbed()) disturbed_named.assign(range, 1);
    if (!(disturbed_expected == disturbed_named)) note("disturbed is not what is mapped before, removed, and mapped after");
    starved += plan.starved().size();
    disturbed += plan.disturbed().size();
}

void CheckedSpaceBase::check_between(const Oracle& at_least, const Oracle& at_most) {
    const auto picture = walker_->picture();
    if (!picture.problem.empty()) note(picture.problem);
    const Oracle now = seen(picture);
    if (!contains(now, at_least) || !contains(at_most, now))
        note("between two steps the tables are not on the way from removed to added");
    if (changed_otherwise(Allowed::additions)) note("a live entry changed without a flush");
}

void CheckedSpaceBase::check_now(const Oracle& expected) {
    const auto picture = walker_->picture();
    if (!picture.problem.empty()) note(picture.problem);
    if (!(seen(picture) == expected)) note("the tables say something else than was asked for");
    if (changed_otherwise(Allowed::additions)) note("a live entry changed without a flush");
    if (const std::string breach = shape(); !breach.empty()) note(breach);
    if (const std::string stale = walker_->stale(); !stale.empty()) note(stale);
    const std::uint64_t reserve = space().table_frames() - picture.frames;
    const std::uint64_t table_frames = std::max<std::uint64_t>(layout_.words() / 512, 1);
    if (reserve > 2 * std::uint64_t{geometry_.levels - 1} * table_frames) note("frames are held that no table is made of");
}

int CheckedSpaceBase::request(const std::vector<Change>& changes, Options options) {
    touch_around(changes);
    earlier_ = walker_->picture();
    const std::uint64_t held = space().table_frames();
    const bool maps = std::any_of(changes.begin(), changes.end(),
                                  [](const Change& change) { return std::holds_alternative<Map>(change); });
    const bool overlap = overlaps_something(changes);
    if (changes.size() == 1 && random_() % 2 == 0 && request_in_place(changes.front())) {
        if (overlap) note("a mapping over another was accepted");
        if (space().table_frames() != held) note("a change in place cost frames");
        touch_around(changes);
        return 0;
    }
    auto plan = space().prepare(changes);
    if (!plan) {
        const int code = plan.error().code;
        if (overlap != (code == EINVAL)) note("refused for another reason than there is: " + plan.error().text);
        if (!maps) note("a request that only unmaps was refused");
        if (space().table_frames() < held) note("a refused request cost frames");
        check_now(oracle_);
        return code;
    }
    if (overlap) note("a mapping over another was accepted");
    check_plan(*plan, changes);
    if (options.abandon_after == 0) {
        space().abandon(std::move(*plan));
        check_now(oracle_);
        return 0;
    }
    Oracle removed = oracle_;
    for (const Unmap& removal : plan->removals()) removed.erase(removal.range);
    Oracle added = removed;
    for (const Map& map : plan->additions()) assign(added, map);
    for (int step = 1;; ++step) {
        Budget budget{options.budget};
        ++steps;
        const auto progress = space().commit(*plan, budget);
        if (!progress) {
            note("a commit failed");
            return progress.error().code;
        }
        if (*progress == Progress::done) break;
        check_between(removed, added);
        if (step == options.abandon_after) {
            space().abandon(std::move(*plan));
            added = seen(walker_->picture());
            break;
        }
    }
    oracle_ = added;
    check_now(oracle_);
    touch_around(changes);
    return 0;
}

// Where the space carries a change out in place, that is all of it; where it says no, nothing happened.
bool CheckedSpaceBase::request_in_place(const Change& change) {
    const Map* const map = std::get_if<Map>(&change);
    const IovaRange range = map != nullptr ? map->range : std::get_if<Unmap>(&change)->range;
    const auto done = map != nullptr ? space().map_in_place(*map) : space().unmap_in_place(range);
    if (!done) note("a change in place failed");
    if (done && *done) {
        ++in_place;
        if (map != nullptr)
            assign(oracle_, *map);
        else
            oracle_.erase(range);
    }
    check_now(oracle_);
    return done && *done;
}

void CheckedSpaceBase::release() {
    releasing_ = true;
    if (!release_space()) note("the release failed");
    if (fault_ == Fault::none && walker_->cached() != 0) note("the release left something cached");
}

}  // namespace smmu::paging::test
