// SPDX-License-Identifier: Apache-2.0
// A kernel in memory: groups whose devices reach what is mapped, with type 1's rules: nothing mapped twice, nothing given
// back in part. It breaks on purpose where a test asks for it.
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <set>

#include "units/vfio/kernel.hpp"

namespace smmu::units::vfio::testing {

struct FakeState {
    struct GroupState {
        bool is_taken = false;
        bool descriptor_in_use = false;
        std::map<Iova, Mapping> mappings;
    };
    std::map<unsigned, GroupState> groups;
    std::map<unsigned, Error> refused;  // groups that cannot be had, and why
    std::size_t limit = 64;
    int fail_nth_map = 0;    // counts down
    std::set<int> failing_maps;  // of those from now on, which `maps` counts
    int maps = 0;
    bool unmap_fails = false;
    std::deque<std::string> log;

    std::optional<Backing> reach(unsigned group, std::uint64_t address) const {
        const auto& mappings = groups.at(group).mappings;
        auto at = mappings.upper_bound(Iova{address});
        if (at == mappings.begin()) return std::nullopt;
        --at;
        if (at->second.range.last < Iova{address}) return std::nullopt;
        return at->second.backing.advanced(address - at->first.value);
    }
};

class FakeGroup final : public Group {
public:
    FakeGroup(FakeState& state, unsigned number) : state_(state), number_(number) { here().is_taken = true; }
    ~FakeGroup() override {
        if (here().descriptor_in_use) return;  // the kernel keeps all of it then
        here().is_taken = false;
        here().mappings.clear();
    }
    Result<void> map(const Mapping& mapping) noexcept override {
        if (state_.failing_maps.contains(++state_.maps)) return fail(ENOMEM, "no memory (test)");
        if (state_.fail_nth_map > 0 && --state_.fail_nth_map == 0) return fail(ENOMEM, "no memory (test)");
        for (const auto& [first, other] : here().mappings)
            if (other.range.overlaps(mapping.range)) {
                ADD_FAILURE() << "mapped twice";
                return fail(EEXIST, "mapped already");
            }
        if (here().mappings.size() >= state_.limit) return fail(ENOSPC, "no entry left");
        here().mappings.emplace(mapping.range.first, mapping);
        return {};
    }
    Result<void> unmap(IovaRange range) noexcept override {
        const auto at = here().mappings.find(range.first);
        const bool is_whole = at != here().mappings.end() && at->second.range == range;
        EXPECT_TRUE(is_whole) << "given back in part";
        if (state_.unmap_fails || !is_whole) return fail(EIO, "not confirmed");
        here().mappings.erase(at);
        return {};
    }
    Result<void> unmap_everything() noexcept override {
        if (state_.unmap_fails) return fail(EIO, "not confirmed");
        here().mappings.clear();
        return {};
    }
    bool leave_container() noexcept override {
        if (here().descriptor_in_use) return false;
        here().mappings.clear();
        return true;
    }
    Result<UniqueFd> open_device(const std::string&) override { return fail(ENODEV, "no device (test)"); }
    std::span<const IovaRange> addresses() const noexcept override { return addresses_; }
    std::size_t mappings_possible() const noexcept override { return state_.limit; }

private:
    FakeState::GroupState& here() { return state_.groups[number_]; }
    FakeState& state_;
    unsigned number_;
    std::vector<IovaRange> addresses_{{{0}, {0xfedfffff}}, {{0xfef00000}, {0xffffffffff}}};
};

class FakeKernel final : public Kernel {
public:
    explicit FakeKernel(FakeState& state) : state_(state) {}
    Result<std::unique_ptr<Group>> take(unsigned number) override {
        if (const auto why = state_.refused.find(number); why != state_.refused.end()) return std::unexpected(why->second);
        if (state_.groups[number].is_taken) return fail(EBUSY, "another process has it (test)");
        return std::make_unique<FakeGroup>(state_, number);
    }
    Result<std::optional<std::string_view>> next_record() noexcept override {
        if (state_.log.empty()) return std::nullopt;
        record_ = state_.log.front();
        state_.log.pop_front();
        if (record_ == "EPIPE") return fail(EPIPE, "overwritten");
        return std::string_view(record_);
    }
    bool reads_log() const override { return true; }
    bool forgeable_interrupts() const override { return false; }

private:
    FakeState& state_;
    std::string record_;
};

}  // namespace smmu::units::vfio::testing
