// SPDX-License-Identifier: Apache-2.0
// KernelUnit: the IOMMU of a machine whose kernel keeps it, as one unit. A stream is a PCI function's address; what the kernel
// cannot tell apart is one IOMMU group, which goes its ways as a whole.
#pragma once

#include <functional>
#include <map>
#include <vector>

#include "platform/platform.hpp"
#include "units/vfio/kernel_log.hpp"
#include "units/vfio/space.hpp"

namespace smmu::units::vfio {

constexpr StreamId stream_of(platform::PciFunction function) {
    return StreamId(std::uint32_t{function.segment} << 16 | std::uint32_t{function.bus} << 8 | function.devfn);
}

class KernelUnit final : public IommuUnit {
public:
    // `groups` says which there are, each time anew.
    using Groups = std::function<std::vector<platform::KernelGroup>()>;
    KernelUnit(std::unique_ptr<Kernel> kernel, Groups groups, std::string name, unsigned granule_log2);
    ~KernelUnit() override;

    const Capabilities& capabilities() const noexcept override { return capabilities_; }
    UnitState state() const noexcept override { return state_; }
    Result<std::unique_ptr<AddressSpace>> create_space(memory::Account& account) override;
    Result<void> retire(std::unique_ptr<AddressSpace> space) noexcept override;
    Result<TakeOver> take_over(std::span<const Assignment> assignments) override;
    Result<void> acquire(StreamId stream, Owner owner) override;
    void let_go(StreamId stream) noexcept override;
    Result<UniqueFd> device_descriptor(StreamId stream) override;
    Result<void> attach(StreamId stream, AddressSpace& space) noexcept override;
    Result<void> block(StreamId stream, Recording recording) noexcept override;
    Result<void> record(StreamId stream, Recording recording) noexcept override;
    void hard_stop() noexcept override;
    Result<void> recheck() noexcept override;
    Drained drain(RefusalSink& sink) noexcept override;
    Result<void> turn_off() noexcept override;
    Result<void> leave(Kept kept) noexcept override;
    UnitReport report() const override;

private:
    // A group that the kernel has given to this service.
    struct Held {
        std::unique_ptr<Container> container;
        Space* space = nullptr;  // nothing: everything of it refuses
        bool is_fresh = true;    // nobody has had it since it was taken
    };

    void learn_groups();
    Result<unsigned> number_of(StreamId stream);
    Held* held(StreamId stream);
    Result<Held*> take(unsigned number);
    std::string members_text(unsigned number) const;
    Result<void> empty(Held& group) noexcept;
    void give_back(unsigned number) noexcept;
    StreamId stream_of_logged(const LoggedRefusal& logged, bool& known) const;
    Result<void> stopped() const;

    std::unique_ptr<Kernel> kernel_;
    Groups groups_;
    std::string name_;
    Capabilities capabilities_;
    UnitState state_ = UnitState::untouched;
    bool stop_confirmed_ = true;
    std::map<unsigned, platform::KernelGroup> known_;
    std::map<StreamId, unsigned> numbers_;  // also of functions that are gone
    std::map<unsigned, Held> held_;
    std::vector<StreamId> muted_;
    KernelLog log_;
    std::uint64_t spaces_ = 0, flushes_ = 0;
};

}  // namespace smmu::units::vfio
