// SPDX-License-Identifier: Apache-2.0
#include "config/configuration.hpp"

#include <algorithm>

namespace smmu::config {
namespace {

template <class List, class Key, class Member>
const typename List::value_type* find_in(const List& list, const Key& key, Member member) {
    const auto at = std::ranges::find(list, key, member);
    return at != list.end() ? &*at : nullptr;
}

}  // namespace

const AllowSet* Configuration::find_allow(std::string_view name) const {
    return find_in(allow_sets, name, &AllowSet::name);
}

const DeviceEntry* Configuration::find_device(const topology::DeviceId& id) const {
    return find_in(devices, id, &DeviceEntry::id);
}

const UnitEntry* Configuration::find_unit(std::string_view name) const {
    return find_in(units, name, &UnitEntry::name);
}

bool Configuration::wants(topology::UnitKind kind) const {
    return modules.empty() ||
           find_in(modules, std::optional(kind), &SupportModule::kind) != nullptr;
}

bool Configuration::kernel_keeps_units() const {
    return find_in(modules, std::optional<topology::UnitKind>(), &SupportModule::kind) != nullptr;
}

TablePolicy Configuration::vtd_tables() const {
    TablePolicy policy = TablePolicy::if_present;
    for (const SupportModule& module : modules)
        if (module.kind == topology::UnitKind::vtd && module.tables != TablePolicy::if_present)
            policy = module.tables;
    return policy;
}

bool Configuration::accepts_uncontained(PhysAddr base) const {
    return find_in(uncontained_accepted, base, &AcceptEntry::base) != nullptr;
}

bool Configuration::bypasses_unclaimed(std::string_view unit) const {
    // The last word for this unit and the last for all units; block wins over bypass among them.
    const UnclaimedEntry* for_unit = nullptr;
    const UnclaimedEntry* for_all = nullptr;
    for (const UnclaimedEntry& entry : unclaimed) {
        if (!entry.unit) for_all = &entry;
        if (entry.unit == unit) for_unit = &entry;
    }
    if ((for_unit != nullptr && !for_unit->bypass) || (for_all != nullptr && !for_all->bypass))
        return false;
    const UnitEntry* by_hand = find_unit(unit);
    return for_unit != nullptr || for_all != nullptr || (by_hand != nullptr && by_hand->bypass);
}

Configuration defaults(Edition edition) {
    Configuration configuration;
    configuration.edition = edition;
    configuration.widen.value = edition == Edition::safety ? Widen::refuse : Widen::allow;
    configuration.safety.value = edition == Edition::safety ? Safety::required : Safety::none;
    configuration.socket.value = "/run/smmuman/smmuman.sock";
    return configuration;
}

}  // namespace smmu::config
