// SPDX-License-Identifier: Apache-2.0
// A machine in memory: units whose tables are maps, with a cache that forgets only when it is told
// to. Says at every store what each stream can reach, and breaks on purpose where a test asks for
// it.
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "containment/containment.hpp"
#include "containment/effective_set.hpp"

namespace smmu::containment::testing {

// Planted bugs, each of which some check must catch.
enum class Bug { none, ignores_block, skips_flush, opens_on_prepare, attach_leaves_cache };

class FakeUnit;

// What all fakes of one machine share.
struct FakeMachine {
    std::function<void()> on_store;  // after everything that hardware could see
    std::vector<std::string>
        events;        // "block 0:18", "attach 0:18 space 3", "bus-master-off 0000:00:03.0", ...
    int fail_nth = 0;  // the n-th prepare or create_space from now fails with ENOMEM
    bool only_removals_succeed = false;  // every addition fails with ENOMEM
    std::vector<FakeUnit*> units;
    int plans = 0;
    int spaces = 0;
    int next_space = 1;

    void event(std::string text) {
        events.push_back(std::move(text));
        if (on_store) on_store();
    }
    bool fails_now() { return fail_nth > 0 && --fail_nth == 0; }
    // Every other change does; and where one is to fail, all.
    bool takes_plan() { return always_plans || fail_nth > 0 || ++changes % 2 == 0; }
    bool always_plans = false;
    unsigned changes = 0;
    std::size_t position(const std::string& text, std::size_t from = 0) const {
        for (std::size_t i = from; i < events.size(); ++i)
            if (events[i].starts_with(text)) return i;
        return events.size();
    }
    std::size_t count(const std::string& text) const {
        std::size_t n = 0;
        for (const auto& event : events) n += event.starts_with(text) ? 1u : 0u;
        return n;
    }
};

class FakeSpace final : public units::AddressSpace {
public:
    FakeSpace(FakeUnit& unit, FakeMachine& machine, memory::Account& account);
    ~FakeSpace() override;
    // Every other change of pages takes no plan, where that is possible.
    Result<bool> map_in_place(const paging::Map& map) noexcept override;
    Result<bool> unmap_in_place(IovaRange range) noexcept override;
    Result<units::Plan> prepare(std::span<const units::Change> changes) override;
    Result<units::Progress> commit(units::Plan& plan, units::Budget& budget) noexcept override;
    void abandon(units::Plan&& plan) noexcept override;
    paging::Target translate(Iova address) const noexcept override;
    std::uint64_t table_frames() const noexcept override { return 1; }

    // What a device may reach: what the tables say, and what the cache has not forgotten.
    std::optional<Leaf> reach(Iova address) const {
        if (auto leaf = tables.at(address)) return leaf;
        return cache.at(address);
    }

    GranuleMap tables, cache;
    int number;

private:
    FakeUnit& unit_;
    FakeMachine& machine_;
    memory::Account& account_;
};

class FakeUnit final : public units::IommuUnit {
public:
    FakeUnit(FakeMachine& machine, unsigned index, unsigned granule_log2)
        : machine_(machine), index_(index) {
        capabilities_.granule_log2 = granule_log2;
        capabilities_.input_bits = 39;
        capabilities_.output_bits = 39;
        machine.units.push_back(this);
    }

    const units::Capabilities& capabilities() const noexcept override { return capabilities_; }
    units::UnitState state() const noexcept override { return state_; }
    Result<std::unique_ptr<units::AddressSpace>> create_space(memory::Account& account) override {
        if (machine_.fails_now()) return fail(ENOMEM, "no tables (test)");
        if (account.held >= account.limit) return fail(EDQUOT, "account is full (test)");
        return std::make_unique<FakeSpace>(*this, machine_, account);
    }
    Result<void> retire(std::unique_ptr<units::AddressSpace> space) noexcept override {
        for (auto& [stream, to] : streams) {
            if (to != space.get()) continue;
            if (state_ != units::UnitState::failed)
                machine_.events.push_back("RETIRED WHILE ATTACHED");
            to = nullptr;
        }
        machine_.event("retire " + std::to_string(static_cast<FakeSpace*>(space.get())->number));
        return confirm();
    }
    Result<units::TakeOver> take_over(std::span<const units::Assignment> assignments) override {
        if (fail_take_over) return fail(EIO, "take-over failed (test)");
        streams.clear();
        for (const units::Assignment& a : assignments)
            streams[a.stream] = static_cast<FakeSpace*>(a.space);
        state_ = units::UnitState::containing;
        machine_.event("take-over " + std::to_string(index_));
        return units::TakeOver{.found = found};
    }
    Result<void> acquire(StreamId stream, Owner owner) override {
        if (unavailable.contains(stream)) return fail(EBUSY, "somebody else drives it (test)");
        acquired[stream] = owner;
        return {};
    }
    void let_go(StreamId stream) noexcept override {
        if (const auto at = streams.find(stream); at != streams.end() && at->second != nullptr)
            machine_.events.push_back("LET GO WHILE ATTACHED");
        acquired.erase(stream);
    }
    Result<void> attach(StreamId stream, units::AddressSpace& space) noexcept override {
        if (!streams.contains(stream)) return fail(EINVAL, "unknown stream (test)");
        if (auto fine = confirm(); !fine) return fine;
        FakeSpace* old = streams[stream];
        streams[stream] = static_cast<FakeSpace*>(&space);
        muted.erase(stream);
        if (bug == Bug::attach_leaves_cache && old != nullptr) stale[stream] = old->tables;
        machine_.event(name("attach ", stream) + " space " +
                       std::to_string(streams[stream]->number));
        return {};
    }
    Result<void> block(StreamId stream, units::Recording recording) noexcept override {
        if (!streams.contains(stream) && machine_.fails_now()) return fail(ENOMEM, "no place (test)");
        if (auto fine = confirm(); !fine) return fine;
        if (bug != Bug::ignores_block) streams[stream] = nullptr;
        note(stream, recording);
        machine_.event(name("block ", stream));
        return {};
    }
    Result<void> record(StreamId stream, units::Recording recording) noexcept override {
        note(stream, recording);
        machine_.event(name("record ", stream));
        return confirm();
    }
    void hard_stop() noexcept override { state_ = units::UnitState::failed; }
    Result<void> recheck() noexcept override {
        if (changed) return fail(EIO, "a register changed (test)");
        return {};
    }
    units::Drained drain(units::RefusalSink& sink) noexcept override {
        units::Drained drained;
        drained.lost = std::exchange(lost, 0);
        while (!refusals.empty() && drained.seen < 4096) {
            sink.refused(refusals.front());
            refusals.pop_front();
            ++drained.seen;
        }
        drained.more = !refusals.empty();
        return drained;
    }
    Result<void> turn_off() noexcept override {
        state_ = units::UnitState::untouched;
        return {};
    }
    Result<void> leave(units::Kept kept) noexcept override {
        for (auto& [stream, to] : streams) to = nullptr;
        for (const units::Assignment& a : kept)
            streams[a.stream] = static_cast<FakeSpace*>(a.space);
        return {};
    }
    units::UnitReport report() const override {
        units::UnitReport report;
        report.stop_confirmed = stop_confirmed;
        return report;
    }

    // A device's access: what it reaches, or a refusal in the log.
    std::optional<Leaf> reach(StreamId stream, Iova address) const {
        const auto it = streams.find(stream);
        if (it == streams.end()) return std::nullopt;
        if (it->second != nullptr)
            if (auto leaf = it->second->reach(address)) return leaf;
        const auto old = stale.find(stream);
        return old == stale.end() ? std::nullopt : old->second.at(address);
    }
    bool dma(StreamId stream, Iova address, Access access) {
        const auto leaf = reach(stream, address);
        if (leaf && permits(leaf->access, access)) return true;
        if (muted.contains(stream)) return false;
        units::Refusal refusal;
        refusal.stream = stream;
        refusal.address = address;
        refusal.access = access;
        refusal.reason = !streams.contains(stream) ? units::Refusal::Reason::unknown_stream
                         : leaf                    ? units::Refusal::Reason::permission
                                                   : units::Refusal::Reason::not_mapped;
        refusals.push_back(refusal);
        return false;
    }
    bool reaches_memory(PhysRange memory) const {
        for (const auto& [stream, space] : streams) {
            if (space == nullptr) continue;
            for (const GranuleMap* map : {&space->tables, &space->cache})
                for (const auto& piece : *map)
                    if (PhysRange{piece.value.physical,
                                  piece.value.physical + (piece.range.last - piece.range.first)}
                            .overlaps(memory))
                        return true;
        }
        return false;
    }
    // EIO from here on, as hardware that does not answer.
    Result<void> confirm() {
        if (dies_after > 0 && --dies_after == 0) state_ = units::UnitState::failed;
        if (state_ == units::UnitState::failed) return fail(EIO, "the unit did not confirm (test)");
        return {};
    }

    std::map<StreamId, FakeSpace*> streams;
    std::map<StreamId, Owner> acquired;
    std::set<StreamId> unavailable;  // somebody else has them
    std::map<StreamId, GranuleMap> stale;
    std::set<StreamId> muted;
    std::deque<units::Refusal> refusals;
    std::uint64_t lost = 0;
    units::Capabilities capabilities_;
    Bug bug = Bug::none;
    bool has_no_tables = false;  // additions to its spaces fail with ENOMEM
    bool changed = false;
    bool fail_take_over = false;
    bool stop_confirmed = true;
    units::Found found = units::Found::off;
    int dies_after = 0;

private:
    std::string name(const char* what, StreamId stream) const {
        return what + std::to_string(index_) + ":" + std::to_string(raw(stream));
    }
    void note(StreamId stream, units::Recording recording) {
        if (recording == units::Recording::muted)
            muted.insert(stream);
        else
            muted.erase(stream);
    }

    FakeMachine& machine_;
    unsigned index_;
    units::UnitState state_ = units::UnitState::untouched;
};

inline FakeSpace::FakeSpace(FakeUnit& unit, FakeMachine& machine, memory::Account& account)
    : number(machine.next_space++), unit_(unit), machine_(machine), account_(account) {
    ++account_.held;
    ++machine_.spaces;
}
inline FakeSpace::~FakeSpace() {
    --account_.held;
    --machine_.spaces;
}

inline Result<units::Plan> FakeSpace::prepare(std::span<const units::Change> changes) {
    units::Plan::Parts plan;
    GranuleMap after = tables;
    const auto aligned = [&](IovaRange range) {
        return range == range.rounded_out(unit_.capabilities().granule_log2);
    };
    for (const units::Change& change : changes)
        if (const auto* unmap = std::get_if<paging::Unmap>(&change)) {
            EXPECT_TRUE(aligned(unmap->range));
            after.erase(unmap->range);
            plan.removals.push_back(*unmap);
        }
    for (const units::Change& change : changes)
        if (const auto* map = std::get_if<paging::Map>(&change)) {
            EXPECT_TRUE(aligned(map->range));
            EXPECT_TRUE(is_aligned(map->physical, unit_.capabilities().granule_log2));
            EXPECT_NE(map->access, Access::none);
            EXPECT_EQ(map->range.last.value >> unit_.capabilities().input_bits, 0u);
            bool overlap = false;
            after.for_each_in(map->range, [&](IovaRange, const Leaf&) { overlap = true; });
            EXPECT_FALSE(overlap) << "asks to map over what stays mapped";
            tables.for_each_in(
                map->range, [&](IovaRange part, const Leaf&) { plan.disturbed.push_back(part); });
            after.assign(map->range, {map->physical, map->access});
            plan.additions.push_back(*map);
        }
    if (!plan.additions.empty() && (machine_.fails_now() || machine_.only_removals_succeed || unit_.has_no_tables))
        return fail(ENOMEM, "no tables (test)");
    ++machine_.plans;
    if (unit_.bug == Bug::opens_on_prepare)
        for (const paging::Map& map : plan.additions)
            tables.assign(map.range, {map.physical, map.access});
    return units::Plan(std::move(plan));
}

inline Result<bool> FakeSpace::map_in_place(const paging::Map& map) noexcept {
    bool overlap = false;
    tables.for_each_in(map.range, [&](IovaRange, const Leaf&) { overlap = true; });
    if (overlap || machine_.only_removals_succeed || unit_.has_no_tables || machine_.takes_plan()) return false;
    tables.assign(map.range, {map.physical, map.access});
    machine_.event("fill");
    return true;
}

inline Result<bool> FakeSpace::unmap_in_place(IovaRange range) noexcept {
    std::uint64_t mapped = 0;
    tables.for_each_in(range, [&](IovaRange part, const Leaf&) { mapped += part.length(); });
    if (mapped != range.length() || machine_.takes_plan()) return false;
    tables.for_each_in(range, [&](IovaRange part, const Leaf& leaf) { cache.assign(part, leaf); });
    tables.erase(range);
    machine_.event("clear");
    if (auto fine = unit_.confirm(); !fine) return pass_on(std::move(fine));
    if (unit_.bug != Bug::skips_flush) cache.clear();
    machine_.event("flush");
    return true;
}

inline Result<units::Progress> FakeSpace::commit(units::Plan& plan,
                                                 units::Budget& budget) noexcept {
    const auto spent = [&] {
        --machine_.plans;
        plan.stage = units::Plan::Stage::done;
    };
    if (plan.stage == units::Plan::Stage::done) return units::Progress::done;
    if (plan.stage == units::Plan::Stage::removing) {
        for (const paging::Unmap& removal : plan.removals()) {
            tables.for_each_in(removal.range,
                               [&](IovaRange part, const Leaf& leaf) { cache.assign(part, leaf); });
            tables.erase(removal.range);
            machine_.event("clear");
        }
        if (auto fine = unit_.confirm(); !fine) {
            spent();
            return pass_on(std::move(fine));
        }
        if (unit_.bug != Bug::skips_flush) cache.clear();
        machine_.event("flush");
        plan.stage = units::Plan::Stage::adding;
    }
    for (std::size_t& next = plan.parts().next_addition; next < plan.additions().size(); ++next) {
        if (budget.tables == 0) return units::Progress::more;
        --budget.tables;
        const paging::Map& map = plan.additions()[next];
        tables.assign(map.range, {map.physical, map.access});
        machine_.event("fill");
    }
    spent();
    return units::Progress::done;
}

inline void FakeSpace::abandon(units::Plan&& plan) noexcept {
    const units::Plan gone = std::move(plan);
    if (gone.stage != units::Plan::Stage::done) --machine_.plans;
}

inline paging::Target FakeSpace::translate(Iova address) const noexcept {
    const auto leaf = tables.at(address);
    if (!leaf) return {};
    return {leaf->physical, std::uint64_t{1} << unit_.capabilities().granule_log2};
}

class FakeControl final : public DeviceControl {
public:
    explicit FakeControl(FakeMachine& machine) : machine_(machine) {}
    void bus_master_off(const topology::Device& device) noexcept override {
        machine_.event("bus-master-off " + topology::to_string(device.id));
    }
    void begin_reset(const topology::Device& device) noexcept override {
        machine_.event("reset " + topology::to_string(device.id));
        if (slow) under_way.insert(topology::to_string(device.id));
    }
    bool resetting(const topology::Device& device) const noexcept override {
        return under_way.contains(topology::to_string(device.id));
    }

    bool slow = false;  // a reset ends when it is taken out of the set
    std::set<std::string> under_way;

private:
    FakeMachine& machine_;
};

class FakeClock final : public Clock {
public:
    Instant now() noexcept override { return time; }
    void pause(Nanoseconds duration) noexcept override { time += duration; }
    Instant time{};
};

// Memory that must not be reachable when it is let go.
class FakeMemory final : public HeldMemory {
public:
    FakeMemory(FakeMachine& machine, std::vector<PhysRange> extents)
        : machine_(machine), extents_(std::move(extents)) {}
    ~FakeMemory() override {
        for (const PhysRange& extent : extents_)
            for (const FakeUnit* unit : machine_.units)
                if (unit->state() != units::UnitState::failed && unit->reaches_memory(extent))
                    machine_.events.push_back("RELEASED WHILE REACHABLE");
        machine_.events.push_back("memory released");
    }
    std::span<const PhysRange> extents() const noexcept override { return extents_; }

private:
    FakeMachine& machine_;
    std::vector<PhysRange> extents_;
};

}  // namespace smmu::containment::testing
