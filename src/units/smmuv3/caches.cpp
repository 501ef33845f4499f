// SPDX-License-Identifier: Apache-2.0
#include "units/smmuv3/caches.hpp"

#include <vector>

namespace smmu::units::smmuv3 {

Result<void> UnitCaches::forget(std::span<const Command> commands) noexcept {
    if (unit_.state() == UnitState::failed)
        return fail(EIO, hardware_.name() + ": the unit is stopped, its caches cannot be made to forget; treat the memory as "
                                            "reachable until it was taken over again");
    if (queue_ == nullptr || commands.empty()) return {};
    ++flushes_;
    auto done = queue_->run(commands);
    if (!done) unit_.hard_stop();
    return done;
}

Result<void> UnitCaches::forget_everything() noexcept {
    std::vector<Command> commands{Command::all_entries()};
    if (features().hypervisor) commands.push_back(Command::all_hypervisor_translations());
    commands.push_back(Command::all_translations());
    return forget(commands);
}

void UnitCaches::failed() noexcept {
    if (unit_.state() != UnitState::failed) unit_.hard_stop();
}

Result<void> TagCaches::appeared(std::span<const paging::Map>) {
    return caches_.forget({});
}

Result<void> TagCaches::invalidate(const memory::Gather& gathered) {
    const Features& features = caches_.features();
    if (gathered.everything()) {
        const Command whole[] = {Command::translations_of(tag_, features)};
        return caches_.forget(whole);
    }
    return caches_.forget(commands_for(gathered.ranges(), tag_, gathered.leaf_only(), features));
}

}  // namespace smmu::units::smmuv3
