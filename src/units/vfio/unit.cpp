// SPDX-License-Identifier: Apache-2.0
#include "units/vfio/unit.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace smmu::units::vfio {
namespace {

constexpr int records_per_drain = 1024;

// The kernel says more exactly what a device can address when the device is in its container.
constexpr unsigned address_bits = 64;

// The kernel does not say what its tables can express: stage-1 tables cannot say write-only, and for VT-d it sets the bit that
// permits reading in every entry.
constexpr bool write_implies_read = true;

std::string name_of(platform::PciFunction function) {
    return fmt::format("{:04x}:{:02x}:{:02x}.{}", function.segment, function.bus, function.devfn >> 3, function.devfn & 7);
}

platform::PciFunction function_of(StreamId stream) {
    return {std::uint16_t(raw(stream) >> 16), std::uint8_t(raw(stream) >> 8), std::uint8_t(raw(stream))};
}

// What a group is without a container. The kernel leaves its devices on its own (empty) tables then, unless it lets them pass.
Result<void> check_type(const platform::KernelGroup& group) {
    if (group.type == "DMA" || group.type == "DMA-FQ" || group.type == "blocked") return {};
    return fail(EPERM, fmt::format("IOMMU group {0} is of type {1}, so its devices reach everything whenever nobody has them: write DMA into "
                                   "/sys/kernel/iommu_groups/{0}/type while no driver is bound, or leave iommu=pt out of the kernel parameters",
                                   group.number, group.type));
}

}  // namespace

KernelUnit::KernelUnit(std::unique_ptr<Kernel> kernel, Groups groups, std::string name, unsigned granule_log2)
    : kernel_(std::move(kernel)), groups_(std::move(groups)), name_(std::move(name)),
      capabilities_{.granule_log2 = granule_log2,
                    .input_bits = address_bits,
                    .output_bits = marked_address_bits,
                    .leaf_sizes = std::uint64_t{1} << granule_log2,
                    .coherent = true,
                    .write_implies_read = write_implies_read,
                    .execute_permission = false,
                    .register_memory = false,
                    .drains = true,
                    .interrupt_remapping = true,
                    .never_grantable = std::nullopt} {
    learn_groups();
}

KernelUnit::~KernelUnit() = default;

void KernelUnit::learn_groups() {
    known_.clear();
    for (platform::KernelGroup& group : groups_()) {
        for (const auto& member : group.members) numbers_[stream_of(member.function)] = group.number;
        known_.insert_or_assign(group.number, std::move(group));
    }
}

Result<unsigned> KernelUnit::number_of(StreamId stream) {
    auto at = numbers_.find(stream);
    if (at == numbers_.end()) {
        learn_groups();
        at = numbers_.find(stream);
    }
    if (at != numbers_.end()) return at->second;
    return fail(ENOENT, fmt::format("{} is in no IOMMU group of the kernel: nothing contains it", name_of(function_of(stream))));
}

KernelUnit::Held* KernelUnit::held(StreamId stream) {
    const auto number = numbers_.find(stream);
    if (number == numbers_.end()) return nullptr;
    const auto at = held_.find(number->second);
    return at == held_.end() ? nullptr : &at->second;
}

std::string KernelUnit::members_text(unsigned number) const {
    std::string text = fmt::format("; IOMMU group {} has", number);
    const auto at = known_.find(number);
    if (at == known_.end()) return text + " no members";
    for (const auto& member : at->second.members)
        text += fmt::format("{} {} ({})", &member == &at->second.members.front() ? "" : ",", name_of(member.function),
                            member.driver.empty() ? "no driver" : member.driver);
    return text + "; bind those that do DMA to vfio-pci";
}

Result<KernelUnit::Held*> KernelUnit::take(unsigned number) {
    learn_groups();
    const auto known = known_.find(number);
    if (known == known_.end()) return fail(ENOENT, fmt::format("IOMMU group {} is gone", number));
    SMMU_CHECK(check_type(known->second));
    auto group = kernel_->take(number);
    if (!group) {
        const bool is_driver = group.error().code == EPERM || group.error().code == ENOENT;
        return fail(group.error().code, group.error().text + (is_driver ? members_text(number) : ""));
    }
    return &held_.insert_or_assign(number, Held{std::make_unique<Container>(*std::move(group)), nullptr, true}).first->second;
}

Result<void> KernelUnit::stopped() const {
    if (state_ == UnitState::containing) return {};
    return fail(state_ == UnitState::untouched ? EINVAL : EIO, fmt::format("{}: {}", name_, state_ == UnitState::untouched ? "not taken over yet"
                                                                                                : "the kernel did not confirm an unmapping; restart the service"));
}

Result<std::unique_ptr<AddressSpace>> KernelUnit::create_space(memory::Account&) {
    ++spaces_;
    return std::make_unique<Space>([this] { hard_stop(); });
}

Result<void> KernelUnit::retire(std::unique_ptr<AddressSpace>) noexcept {
    --spaces_;
    return {};
}

// Nothing is touched: the kernel contains everything but groups of its own that pass, which nobody is given.
Result<TakeOver> KernelUnit::take_over(std::span<const Assignment> assignments) {
    for (const Assignment& assignment : assignments)
        if (assignment.space != nullptr)
            return fail(ENOTSUP, fmt::format("{} cannot have startup mappings: the kernel maps for programs only", name_of(function_of(assignment.stream))));
    state_ = UnitState::containing;
    // Whoever had the devices before may have programmed them.
    return TakeOver{.found = Found::foreign, .pause = {}, .took = {}};
}

Result<void> KernelUnit::acquire(StreamId stream, Owner owner) {
    SMMU_CHECK(stopped());
    SMMU_TRY(const unsigned number, number_of(stream));
    if (const Held* const group = held(stream)) {
        if (group->is_fresh || group->space != nullptr || owner == Owner::same) return {};
        // It has refused everything since its last owner left it. That one must not be able to drive the device any more.
        give_back(number);
        if (held(stream) != nullptr)
            return fail(EBUSY, fmt::format("{}: its last owner, or a process it gave it to, still has the descriptor of a device in IOMMU group {}",
                                           name_of(function_of(stream)), number));
    }
    SMMU_CHECK(take(number));
    return {};
}

void KernelUnit::let_go(StreamId stream) noexcept {
    if (const Held* const group = held(stream); group != nullptr && group->space == nullptr) give_back(numbers_.at(stream));
}

// What it cannot leave stays empty.
void KernelUnit::give_back(unsigned number) noexcept {
    const auto at = held_.find(number);
    if (!at->second.container->group().leave_container()) return;
    flushes_ += at->second.container->flushes();
    held_.erase(at);
}

Result<UniqueFd> KernelUnit::device_descriptor(StreamId stream) {
    Held* const group = held(stream);
    if (group == nullptr || group->space == nullptr) return fail(EPERM, fmt::format("{} is not attached", name_of(function_of(stream))));
    return group->container->group().open_device(name_of(function_of(stream)));
}

Result<void> KernelUnit::empty(Held& group) noexcept {
    if (group.space == nullptr) return {};
    group.space->leave(*group.container);
    group.space = nullptr;
    auto cleared = group.container->clear();
    if (!cleared) hard_stop();
    return cleared;
}

Result<void> KernelUnit::attach(StreamId stream, AddressSpace& space) noexcept {
    SMMU_CHECK(stopped());
    SMMU_TRY(const unsigned number, number_of(stream));
    Held* group = held(stream);
    if (group == nullptr) {
        SMMU_TRY(group, take(number));
    }
    auto& entered = static_cast<Space&>(space);  // spaces belong to the unit that made them
    if (group->space == &entered) return {};     // by another of its members
    SMMU_CHECK(empty(*group));
    SMMU_CHECK(entered.enter(*group->container));
    group->space = &entered;
    group->is_fresh = false;
    return {};
}

Result<void> KernelUnit::block(StreamId stream, Recording recording) noexcept {
    SMMU_CHECK(stopped());
    SMMU_CHECK(record(stream, recording));
    Held* const group = held(stream);
    return group == nullptr ? Result<void>() : empty(*group);
}

// The kernel writes its log as it likes; what is muted is not read from it.
Result<void> KernelUnit::record(StreamId stream, Recording recording) noexcept {
    std::erase(muted_, stream);
    if (recording == Recording::muted) muted_.push_back(stream);
    return {};
}

void KernelUnit::hard_stop() noexcept {
    state_ = UnitState::failed;
    stop_confirmed_ = true;
    for (auto& [number, group] : held_) {
        if (group.space != nullptr) group.space->leave(*group.container);
        group.space = nullptr;
        if (!group.container->clear() && !group.container->group().leave_container()) stop_confirmed_ = false;
    }
}

// Groups that could not be given back when their owner went.
Result<void> KernelUnit::recheck() noexcept {
    std::vector<unsigned> lingering;
    for (const auto& [number, group] : held_)
        if (group.space == nullptr && !group.is_fresh) lingering.push_back(number);
    for (const unsigned number : lingering) give_back(number);
    return {};
}

// Of drivers that do not name the segment: the one function that is called so.
StreamId KernelUnit::stream_of_logged(const LoggedRefusal& logged, bool& known) const {
    std::vector<StreamId> candidates;
    for (const auto& [stream, number] : numbers_)
        if ((raw(stream) & 0xffff) == logged.requester && (!logged.segment || raw(stream) >> 16 == *logged.segment)) candidates.push_back(stream);
    known = candidates.size() <= 1;
    return candidates.empty() ? StreamId(std::uint32_t{logged.segment.value_or(0)} << 16 | logged.requester) : candidates.front();
}

Drained KernelUnit::drain(RefusalSink& sink) noexcept {
    Drained drained;
    for (int i = 0; i < records_per_drain; ++i) {
        const auto record = kernel_->next_record();
        if (!record) {
            ++drained.lost;
            continue;
        }
        if (!*record) return drained;
        Logged logged = log_.take(**record);
        drained.lost += logged.suppressed;
        if (!logged.refusal) continue;
        Refusal& refusal = logged.refusal->refusal;
        refusal.stream = stream_of_logged(*logged.refusal, refusal.stream_known);
        if (std::ranges::find(muted_, refusal.stream) != muted_.end()) continue;
        ++drained.seen;
        sink.refused(refusal);
    }
    drained.more = true;
    return drained;
}

Result<void> KernelUnit::turn_off() noexcept { return fail(ENOTSUP, name_ + ": the kernel keeps it, so it cannot be turned off here"); }

Result<void> KernelUnit::leave(Kept) noexcept {
    Result<void> result;
    for (auto& [number, group] : held_)
        if (auto emptied = empty(group); !emptied && result) result = std::move(emptied);
    return result;
}

UnitReport KernelUnit::report() const {
    UnitReport report;
    report.kind = "vfio";
    report.version = "VFIO type 1, version 2";
    report.mode = fmt::format("kept by the kernel; {} IOMMU groups, {} of them held here; {}; when this service ends, what it mapped ends with it",
                              known_.size(), held_.size(),
                              kernel_->reads_log() ? "refusals come from the kernel's log, which leaves some out: counts are at least"
                                                   : "refusals are NOT KNOWN: /dev/kmsg cannot be read");
    report.state = state_;
    report.stop_confirmed = state_ != UnitState::failed || stop_confirmed_;
    report.found = Found::foreign;
    report.interrupts_remapped = !kernel_->forgeable_interrupts();
    report.spaces = spaces_;
    report.spaces_possible = known_.size();
    report.flushes = flushes_;
    for (const auto& [number, group] : held_) {
        report.flushes += group.container->flushes();
        report.registers.emplace_back(fmt::format("mappings of group {}", number), group.container->mappings());
    }
    return report;
}

}  // namespace smmu::units::vfio
