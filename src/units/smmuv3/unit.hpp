// SPDX-License-Identifier: Apache-2.0
// SmmuV3Unit: one Arm SMMUv3, with stage-2 tables where it has them, else with stage-1 tables.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "units/paged_space.hpp"
#include "units/smmuv3/caches.hpp"
#include "units/smmuv3/event_queue.hpp"
#include "units/smmuv3/predecessor.hpp"
#include "units/smmuv3/stream_table.hpp"
#include "units/tag_pool.hpp"
#include "units/unit.hpp"

namespace smmu::units::smmuv3 {

// One frame of each order, all zero: all or nothing.
Result<std::vector<memory::Frame>> take_frames(memory::Arena& arena, memory::Account& account, std::span<const unsigned> orders);

class SmmuV3Unit final : public IommuUnit {
public:
    // What every unit needs before anything may go wrong with it.
    struct Frames {
        memory::Frame refusing_table;        // in which nothing is mapped
        memory::Frame refusing_descriptors;  // stage 1: what leads to it
        memory::Frame commands, events;
    };

    static Result<std::unique_ptr<SmmuV3Unit>> create(std::unique_ptr<hw::Mmio> mmio, Features features, std::string name,
                                                      memory::Arena& arena, memory::Account& account, Clock& clock,
                                                      unsigned host_address_bits);
    ~SmmuV3Unit() override;

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
        TagCaches* caches;  // of the space
        StreamTarget target;
        memory::Frame descriptors;  // stage 1
    };
    using Wanted = std::map<StreamId, StreamEntry>;

    SmmuV3Unit(std::unique_ptr<hw::Mmio> mmio, Features features, std::string name, memory::Arena& arena,
               memory::Account& account, Clock& clock, unsigned host_address_bits, Frames frames);

    const std::string& name() const { return hardware_.name(); }
    const Features& features() const { return hardware_.features(); }
    std::unexpected<Error> stopped() const;
    const Member* member(const AddressSpace& space) const;
    const Member* member_of(StreamId stream) const;
    const Member* member_at(const StreamTarget& target) const;
    Result<StreamTarget> make_target(PhysAddr root, std::uint16_t tag, memory::Frame& descriptors, memory::Account& account);

    // Entries.
    static StreamEntry translating(const Member& member, Recording recording) {
        return StreamEntry::translating(member.target, recording == Recording::muted);
    }
    StreamEntry refusing(Recording recording = Recording::on) const {
        return StreamEntry::translating(refusing_, recording == Recording::muted);
    }
    Result<Wanted> wanted_entries(std::span<const Assignment> assignments) const;
    Result<void> make_place_for(StreamId stream);
    std::vector<StreamEntry> steps_between(const StreamEntry& old, const StreamEntry& next) const;
    Result<void> change(StreamId stream, const StreamEntry& entry) noexcept;
    Result<void> step(StreamId stream, const StreamEntry& entry) noexcept;

    // Take-over.
    Found look() const;
    Result<void> take_spare_frames(const Wanted& wanted);
    void give_spare_frames_back() noexcept;
    Found prepare_table(Found found, const Wanted& wanted) noexcept;
    void add_places(const Wanted& wanted) noexcept;
    void inherit_tags(Wanted& wanted) noexcept;
    void fill(const Wanted& wanted) noexcept;
    Result<void> abort_when_off() noexcept;
    Result<void> close() noexcept;
    Result<void> start_commands() noexcept;
    Result<void> enable(const Wanted& wanted) noexcept;
    Result<void> adopt_in_place(Wanted& wanted) noexcept;
    Result<void> finish_take_over() noexcept;
    Result<void> carry_out(Wanted& wanted, TakeOver& result) noexcept;

    bool refuse_everything() noexcept;

    memory::Arena& arena_;
    memory::Account& account_;
    Hardware hardware_;
    Capabilities capabilities_;
    UnitState state_ = UnitState::untouched;
    bool stop_confirmed_ = false;
    std::optional<Found> found_;
    std::optional<hw::Bits<Bypass>> found_bypass_;  // what the unit did with DMA while it was off

    Frames frames_;
    memory::Frame spare_root_;  // taken for a take-over that is going on
    std::vector<memory::Frame> spare_leaves_;
    std::vector<memory::Frame> leftover_;  // adopted, then not used: free after the next complete flush
    std::optional<StreamTable> table_;
    TagPool tags_;
    StreamTarget refusing_;  // of known blocked streams
    std::vector<Member> members_;

    UnitCaches caches_;
    CommandQueue queue_;
    EventQueue events_;
};

}  // namespace smmu::units::smmuv3
