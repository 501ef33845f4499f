// SPDX-License-Identifier: Apache-2.0
// SmmuV2Unit: one Arm SMMUv2, with stage-2 tables where it has them, else with stage-1 tables.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <vector>

#include "units/smmuv2/caches.hpp"
#include "units/smmuv2/faults.hpp"
#include "units/smmuv2/predecessor.hpp"
#include "units/tag_pool.hpp"
#include "units/unit.hpp"

namespace smmu::units::smmuv2 {

class SmmuV2Unit final : public IommuUnit {
public:
    static Result<std::unique_ptr<SmmuV2Unit>> create(std::unique_ptr<hw::Mmio> mmio,
                                                      const Features& features,
                                                      const topology::Unit& unit,
                                                      memory::Arena& arena,
                                                      memory::Account& account, Clock& clock);
    ~SmmuV2Unit() override;

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
        std::uint16_t tag;
    };
    // The bank of each known stream; nothing: it refuses.
    using Wanted = std::map<StreamId, std::optional<unsigned>>;

    SmmuV2Unit(std::unique_ptr<hw::Mmio> mmio, const Features& features, const topology::Unit& unit,
               memory::Arena& arena, Clock& clock, memory::Frame refusing_table);

    const std::string& name() const { return hardware_.name(); }
    const Features& features() const { return hardware_.features(); }
    std::unexpected<Error> stopped() const;
    const Member* member(const AddressSpace& space) const;
    const Member* member_in(std::optional<Target> target) const;
    Bank bank_for(const Member& member) const {
        return {bank_of(member.tag, features()), member.space->root()};
    }
    std::vector<Bank> banks() const;
    Result<std::uint16_t> take_tag();
    Result<void> check_space(StreamId stream, const Member* found) const;

    // Streams.
    Result<void> change(StreamId stream, std::optional<unsigned> bank) noexcept;
    Result<void> refuse(StreamId stream) noexcept;

    // Take-over.
    Found look() const;
    hw::Bits<Control> running() const { return running_control(features(), unknown_pass_); }
    Result<Wanted> wanted_streams(std::span<const Assignment> assignments) const;
    Result<void> check_room(const Wanted& wanted) const;
    Result<void> set_control(hw::Bits<Control> control) noexcept;
    Result<void> close_streams() noexcept;
    Result<void> clean_up() noexcept;
    Result<void> open(const Wanted& wanted) noexcept;
    Result<void> set_up(const Wanted& wanted, TakeOver& result) noexcept;
    Result<void> adopt(const Wanted& wanted) noexcept;

    bool refuse_everything() noexcept;
    void take_record(const std::optional<Fault>& fault, RefusalSink& sink,
                     Drained& drained) noexcept;

    memory::Arena& arena_;
    Hardware hardware_;
    Capabilities capabilities_;
    const bool unknown_pass_;
    const std::set<StreamId> reserved_;
    UnitState state_ = UnitState::untouched;
    bool stop_confirmed_ = false;
    bool prefetches_ = false;  // and cannot be kept from it
    std::optional<Found> found_;

    memory::Frame refusing_table_;  // in which nothing is mapped
    TagPool tags_;
    std::optional<std::uint16_t>
        muted_;  // of the bank that refuses, and that nobody asks for records
    std::set<StreamId> muted_streams_;  // attached ones
    std::vector<Member> members_;
    std::vector<Refusal> last_words_;  // of banks that were retired before they were drained
    Streams streams_;
    UnitCaches caches_;
};

}  // namespace smmu::units::smmuv2
