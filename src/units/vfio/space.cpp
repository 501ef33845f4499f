// SPDX-License-Identifier: Apache-2.0
#include "units/vfio/space.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace smmu::units::vfio {
namespace {

Mapping mapping_of(const paging::Map& map) { return {map.range, {map.physical.value & ~process_memory, map.access}}; }

std::vector<IovaRange> ranges_of(std::span<const paging::Unmap> removals) {
    std::vector<IovaRange> ranges;
    for (const paging::Unmap& removal : removals) ranges.push_back(removal.range);
    return ranges;
}

// The same addresses, ascending and disjoint.
std::vector<IovaRange> united(std::vector<IovaRange> ranges) {
    std::ranges::sort(ranges, {}, &IovaRange::first);
    std::vector<IovaRange> united;
    for (const IovaRange& range : ranges)
        if (!united.empty() && range.first <= united.back().last)
            united.back().last = std::max(united.back().last, range.last);
        else
            united.push_back(range);
    return united;
}

}  // namespace

Result<void> Space::check(const Plan::Parts& parts) const {
    for (const paging::Map& map : parts.additions)
        if ((map.physical.value & process_memory) == 0 || map.pages != nullptr)
            return fail(ENOTSUP, fmt::format("memory at {:#x} cannot be granted by its address where the kernel keeps the IOMMU: hand it over by a "
                                             "file descriptor (smmu_mapping_add_fd)", map.physical.value));
    const std::vector<IovaRange> removed = ranges_of(parts.removals);
    for (const Container* container : containers_) {
        for (const paging::Map& map : parts.additions) SMMU_CHECK(container->check(map.range));
        if (!parts.additions.empty()) SMMU_CHECK(container->check_room(removed, parts.additions.size()));
    }
    return {};
}

Result<Plan> Space::prepare(std::span<const Change> changes) {
    Plan::Parts parts;
    for (const Change& change : changes) {
        if (const auto* unmap = std::get_if<paging::Unmap>(&change)) parts.removals.push_back(*unmap);
        if (const auto* map = std::get_if<paging::Map>(&change)) parts.additions.push_back(*map);
    }
    SMMU_CHECK(check(parts));
    for (const Container* container : containers_)
        for (const Mapping& rest : container->disturbed_by(ranges_of(parts.removals))) parts.disturbed.push_back(rest.range);
    if (parts.removals.empty()) {
        std::vector<IovaRange> mapped;
        for (const paging::Map& map : parts.additions) {
            auto done = map_everywhere(mapping_of(map));
            if (done) {
                mapped.push_back(map.range);
                continue;
            }
            std::vector<IovaRange> lost;
            SMMU_CHECK(unmap_everywhere(mapped, lost));
            return pass_on(std::move(done));
        }
    }
    return Plan(std::move(parts));
}

// All containers or none.
Result<void> Space::map_everywhere(const Mapping& mapping) noexcept {
    for (std::size_t i = 0; i < containers_.size(); ++i) {
        auto done = containers_[i]->map(mapping);
        if (done) continue;
        std::vector<IovaRange> lost;
        for (std::size_t before = 0; before < i; ++before)
            if (auto undone = containers_[before]->unmap({&mapping.range, 1}, lost); !undone) {
                failed_();
                return undone;
            }
        return done;
    }
    return {};
}

Result<void> Space::unmap_everywhere(std::span<const IovaRange> ranges, std::vector<IovaRange>& lost) noexcept {
    for (Container* container : containers_)
        if (auto done = container->unmap(ranges, lost); !done) {
            failed_();
            return done;
        }
    return {};
}

// A part that one container has lost is closed in all of them, until none loses any more: they hold the same. Each time less
// is mapped, so it ends.
Result<void> Space::remove(Plan& plan) noexcept {
    const std::vector<IovaRange> ranges = ranges_of(plan.removals());
    std::vector<IovaRange> lost, closing = ranges;
    while (!closing.empty()) {
        std::vector<IovaRange> lost_by_it;
        SMMU_CHECK(unmap_everywhere(closing, lost_by_it));
        closing = united(std::move(lost_by_it));
        lost.insert(lost.end(), closing.begin(), closing.end());
    }
    lost = united(std::move(lost));
    for (const IovaRange& range : ranges) contents_.erase(range);
    for (const IovaRange& range : lost) contents_.erase(range);
    auto& starved = plan.parts().starved;
    starved.insert(starved.end(), lost.begin(), lost.end());
    return {};
}

void Space::add(Plan& plan) noexcept {
    const bool mapped_before = plan.removals().empty();
    for (const paging::Map& map : plan.additions()) {
        const Mapping mapping = mapping_of(map);
        if (mapped_before || map_everywhere(mapping))
            contents_.assign(mapping.range, mapping.backing);
        else
            plan.parts().starved.push_back(mapping.range);
    }
}

Result<Progress> Space::commit(Plan& plan, Budget& budget) noexcept {
    if (plan.stage == Plan::Stage::done) return Progress::done;
    if (plan.stage == Plan::Stage::removing) {
        if (!plan.removals().empty()) {
            auto removed = remove(plan);
            if (!removed) {
                plan.stage = Plan::Stage::done;
                return pass_on(std::move(removed));
            }
        }
        plan.stage = Plan::Stage::adding;
    }
    if (budget.tables == 0 && !plan.additions().empty()) return Progress::more;
    add(plan);
    plan.stage = Plan::Stage::done;
    return Progress::done;
}

void Space::abandon(Plan&& plan) noexcept {
    if (plan.stage != Plan::Stage::done && plan.removals().empty()) {
        std::vector<IovaRange> mapped, lost;
        for (const paging::Map& map : plan.additions()) mapped.push_back(map.range);
        (void)unmap_everywhere(mapped, lost);  // a unit that failed says so itself
    }
    plan.stage = Plan::Stage::done;
}

paging::Target Space::translate(Iova address) const noexcept {
    const auto found = contents_.at(address);
    if (!found) return {};
    return {PhysAddr{found->memory | process_memory}, 1};
}

// From nothing, so what was granted piece by piece is told as one where it continues.
Result<void> Space::enter(Container& container) noexcept {
    const auto fill = [&]() -> Result<void> {
        SMMU_CHECK(container.check_room({}, contents_.size()));
        for (const auto& piece : contents_) {
            SMMU_CHECK(container.check(piece.range));
            SMMU_CHECK(container.map({piece.range, piece.value}));
        }
        return {};
    };
    auto filled = fill();
    if (!filled) {
        if (auto cleared = container.clear(); !cleared) {
            failed_();
            return cleared;
        }
        return filled;
    }
    containers_.push_back(&container);
    return {};
}

}  // namespace smmu::units::vfio
