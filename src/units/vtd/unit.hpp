// SPDX-License-Identifier: Apache-2.0
// VtdUnit: one Intel VT-d remapping unit, in legacy or in scalable mode.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "units/paged_space.hpp"
#include "units/tag_pool.hpp"
#include "units/unit.hpp"
#include "units/vtd/caches.hpp"
#include "units/vtd/context_tables.hpp"
#include "units/vtd/fault_log.hpp"
#include "units/vtd/invalidation_queue.hpp"
#include "units/vtd/pasid_tables.hpp"
#include "units/vtd/predecessor.hpp"
#include "units/vtd/register_invalidation.hpp"

namespace smmu::units::vtd {

class VtdUnit final : public IommuUnit {
public:
    // What every unit needs before anything may go wrong with it.
    struct Frames {
        memory::Frame empty_root;      // for hard_stop: no bus is present
        memory::Frame refusing_table;  // of known blocked streams: refuses and records
        memory::Frame queue_ring, queue_status;
    };

    static Result<std::unique_ptr<VtdUnit>> create(std::unique_ptr<hw::Mmio> mmio,
                                                   Features features, std::string name,
                                                   memory::Arena& arena, memory::Account& account,
                                                   Clock& clock, unsigned host_address_bits);
    ~VtdUnit() override;

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
        StreamTarget target;
        std::optional<PasidTables> pasids;  // in scalable mode
    };
    using Wanted = std::map<StreamId, StreamEntry>;
    enum class Queue : std::uint8_t { none, stopped, continued };
    // Interrupt remapping is another's; it must stay as take-over found it.
    struct Interrupts {
        bool remapped = false;
        std::uint64_t table = 0;
    };

    VtdUnit(std::unique_ptr<hw::Mmio> mmio, Features features, std::string name,
            memory::Arena& arena, memory::Account& account, Clock& clock,
            unsigned host_address_bits, Frames frames);

    const std::string& name() const { return hardware_.name(); }
    std::unexpected<Error> stopped() const;
    const Member* member(const AddressSpace& space) const;
    const Member* member_of(StreamId stream) const;
    Result<StreamTarget> make_target(PhysAddr page_table, std::uint16_t domain,
                                     std::optional<PasidTables>& pasids, memory::Account& account);
    Result<void> prepare_refusing();

    // Entries.
    static StreamEntry translating(const Member& member, Recording recording);
    StreamEntry refusing() const { return StreamEntry::translating(refusing_, false); }
    Result<Wanted> wanted_entries(std::span<const Assignment> assignments) const;
    Result<void> make_place_for(StreamId stream);
    Invalidate context_of(StreamId stream, std::uint16_t domain) const;
    Result<void> change(StreamId stream, const StreamEntry& entry) noexcept;

    // Take-over.
    Found look() const;
    Result<void> take_frames(const Wanted& wanted);
    void give_spare_frames_back() noexcept;
    void close_others(const Wanted& wanted) noexcept;
    void open_wanted(const Wanted& wanted) noexcept;
    void fill(const Wanted& wanted) noexcept;
    Result<void> stop_other_queue() noexcept;
    Result<Queue> prepare_queue() noexcept;
    Result<void> check_mode_can_be_had(Found found) const;
    Found prepare_tables(Found found) noexcept;
    Result<void> carry_out(const Wanted& wanted, Queue queue, TableMode mode,
                           TakeOver& result) noexcept;
    Result<void> start_invalidation(Queue queue) noexcept;
    Result<void> forget_all_unless_root_did() noexcept;
    Result<void> enable_from_off(const Wanted& wanted) noexcept;
    Result<void> replace_foreign(const Wanted& wanted, std::optional<Queue> late,
                                 Nanoseconds& pause) noexcept;
    Result<void> adopt_in_place(const Wanted& wanted) noexcept;
    Result<void> finish_take_over() noexcept;

    // Hard stop and recheck.
    Interrupts interrupts_now() const;
    bool refuse_everything() noexcept;
    TableMode mode_of_stop(bool translating_now) const;
    bool forget_after_stop() noexcept;

    memory::Arena& arena_;
    memory::Account& account_;
    Hardware hardware_;
    Capabilities capabilities_;
    UnitState state_ = UnitState::untouched;
    bool stop_confirmed_ = false;
    std::optional<Found> found_;
    Interrupts interrupts_;

    Frames frames_;
    std::vector<memory::Frame> spare_;  // taken for a take-over that is going on
    std::vector<memory::Frame>
        leftover_;  // adopted, then not used: free after the next complete flush
    std::optional<ContextTables> tables_;
    TagPool domains_;
    StreamTarget refusing_;                      // of known blocked streams
    std::optional<PasidTables> refusing_pasids_;
    std::vector<Member> members_;

    UnitCaches caches_;
    std::uint32_t wait_sequence_ = 0;
    std::optional<InvalidationQueue> queue_;
    RegisterInvalidation register_invalidation_;
    FaultLog fault_log_;
};

}  // namespace smmu::units::vtd
