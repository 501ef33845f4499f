// SPDX-License-Identifier: Apache-2.0
// IpmmuUnit: the IPMMUs of one R-Car as one unit. A stream is a micro-TLB of a cache unit, a space is a context of the main
// unit, shared by all micro-TLBs that are tied to it.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <vector>

#include "units/ipmmu/caches.hpp"
#include "units/ipmmu/hardware.hpp"
#include "units/ipmmu/predecessor.hpp"
#include "units/tag_pool.hpp"

namespace smmu::units::ipmmu {

class IpmmuUnit final : public IommuUnit {
public:
    static Result<std::unique_ptr<IpmmuUnit>> create(Hardware hardware, memory::Arena& arena, memory::Account& account,
                                                     unsigned host_address_bits);
    ~IpmmuUnit() override;

    const Capabilities& capabilities() const noexcept override { return capabilities_; }
    UnitState state() const noexcept override { return state_; }
    Result<std::unique_ptr<AddressSpace>> create_space(memory::Account& account) override;
    Result<void> retire(std::unique_ptr<AddressSpace> space) noexcept override;
    Result<TakeOver> take_over(std::span<const Assignment> assignments) override;
    Result<void> attach(StreamId stream, AddressSpace& space) noexcept override;
    Result<void> block(StreamId stream, Recording recording) noexcept override;
    Result<void> record(StreamId stream, Recording recording) noexcept override;
    void hard_stop() noexcept override;
    Result<void> recheck() noexcept override;
    Drained drain(RefusalSink& sink) noexcept override;
    Result<void> turn_off() noexcept override;
    Result<void> leave(Kept kept) noexcept override;
    UnitReport report() const override;
    memory::Invalidator* caches() noexcept override { return &caches_; }

private:
    struct Member {
        AddressSpace* handle;  // as containment knows it
        TableSpace* space;
        ContextCaches* caches;  // of the space; they know its context
    };
    // The context whose tables are empty: whatever is tied to it is refused.
    struct Refusing {
        unsigned context = 0;  // 0: none yet
        memory::Frame table;
        bool was_flushed = false;
    };
    using Wanted = std::map<StreamId, AddressSpace*>;

    IpmmuUnit(Hardware hardware, memory::Arena& arena, unsigned host_address_bits, memory::Frame table, memory::Account& account);

    MainUnit& main() { return hardware_.main; }
    const MainUnit& main() const { return hardware_.main; }
    const std::string& name() const { return hardware_.main.where(); }
    unsigned spaces_possible() const { return tags_.capacity() - 1; }
    std::unexpected<Error> stopped() const;
    const Member* member(const AddressSpace& space) const;
    const Member* member_at(unsigned context) const;
    // EINVAL when no cache unit can have such a micro-TLB.
    Result<void> check(StreamId stream) const;
    std::string describe(StreamId stream) const;

    // Streams.
    Result<Wanted> wanted_spaces(std::span<const Assignment> assignments) const;
    Result<void> tie(StreamId stream, unsigned context) noexcept;
    Result<void> change(StreamId stream, unsigned context, Recording recording) noexcept;
    unsigned ties_of(unsigned context) const;

    // Contexts.
    Result<void> bind(Member& member) noexcept;
    Result<void> end_context(unsigned context) noexcept;

    // Take-over.
    bool is_off() const;
    Found look() const;
    Result<void> choose_refusing_context(Found found) noexcept;
    bool goes_on(unsigned context, Found found) const;
    Result<void> start_refusing() noexcept;
    Result<void> close(CacheUnit& cache, std::size_t index, const Wanted& wanted, Found found) noexcept;
    Result<void> open(const Wanted& wanted) noexcept;
    Result<void> end_other_contexts(Found found) noexcept;
    Result<void> carry_out(const Wanted& wanted, TakeOver& result) noexcept;

    bool refuse_everything() noexcept;

    // Faults.
    void collect(unsigned context) noexcept;
    Refusal decode(unsigned context, const Fault& fault) const;
    bool is_muted(unsigned context) const;

    memory::Arena& arena_;
    memory::Account& account_;
    Hardware hardware_;
    Capabilities capabilities_;
    UnitState state_ = UnitState::untouched;
    bool stop_confirmed_ = false;
    std::optional<Found> found_;
    bool found_stage2_ = false;  // IMSAUXCTLR.S2PTE, before the first take-over
    bool was_taken_over_ = false;

    TagPool tags_;  // contexts
    Refusing refusing_;
    std::vector<Member> members_;
    std::set<StreamId> known_, muted_;
    std::vector<Refusal> collected_;  // met under ties that are no more; bounded
    std::uint64_t lost_ = 0;

    UnitCaches caches_;
};

}  // namespace smmu::units::ipmmu
