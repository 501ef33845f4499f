// SPDX-License-Identifier: Apache-2.0
#include "survey/draft.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "survey/driven.hpp"
#include "survey/groups.hpp"

namespace smmu::survey {

using topology::Severity;
using topology::Unit;
using topology::UnitKind;

namespace {

// Frames of the interrupt controllers of x86: a device that writes there raises interrupts or takes
// them away.
constexpr PhysRange io_apic_frames{PhysAddr{0xfec00000}, PhysAddr{0xfecfffff}};
constexpr PhysRange local_apic_frames{PhysAddr{0xfee00000}, PhysAddr{0xfeefffff}};

// SYSC of R-Car: whoever turns off a power domain takes the state of the micro-TLBs in it, and they open.
constexpr PhysRange rcar_power_control{PhysAddr{0xe6180000}, PhysAddr{0xe6180fff}};

// The word of the language for a kind of unit.
std::string_view word_of(UnitKind kind) {
    switch (kind) {
        case UnitKind::smmuv3: return "armsmmuv3";
        case UnitKind::smmuv2: return "armsmmu";
        case UnitKind::ipmmu: return "rcar3";
        default: return topology::name(kind);
    }
}

bool is_x86(UnitKind kind) {
    return kind == UnitKind::vtd || kind == UnitKind::amdvi;
}

const Table* find_table(const Input& input, std::string_view name) {
    const auto at = std::ranges::find(input.tables, name, &Table::name);
    return at != input.tables.end() ? &*at : nullptr;
}

}  // namespace

topology::Topology Draft::take() {
    if (user_.kernel_keeps_units()) return take_kernel_kept();
    read_tables();
    add_firmware_units();
    add_user_units();
    report_unread_tree();
    check_units();
    add_protected();
    add_tree_protected();
    if (dmar_) scopes_.emplace(input_.pci, *dmar_, drhd_units_, topology_.findings);
    list_devices();
    add_reserved();
    add_tree_memory();
    add_user_memory();
    add_doorbells();
    add_tree_doorbells();
    std::ranges::copy(input_.pci.findings, std::back_inserter(topology_.findings));
    withhold_reserved_streams();
    report_unclaimed_devices();
    report_ports();
    if (described_by_hand()) forgive_tables();
    form_groups(topology_, input_.pci);
    return std::move(topology_);
}

// What a table says wrong ends no start where every device that does DMA has its line. Of a device tree that cannot be said:
// blocks of registers do DMA, too, and nobody lists those that it lost.
void Draft::forgive_tables() {
    for (topology::Finding& found : topology_.findings)
        if (found.id.starts_with("dmar-") || found.id.starts_with("iort-"))
            found.severity = std::min(found.severity, Severity::warning);
}

// True when the user gave units and says of every PCI function that drives itself which one it goes
// through: then a damaged table has nothing left to say.
bool Draft::described_by_hand() const {
    const auto covered = [&](const topology::PciFunction& function) {
        const auto* entry = user_.find_device(function.address);
        return does_no_dma(function) || (entry != nullptr && !entry->uses.empty());
    };
    const bool has_unit = std::ranges::any_of(
        user_.units, [](const config::UnitEntry& unit) { return is_driven(unit.kind); });
    return has_unit && !merging() && !input_.pci.functions.empty() &&
           std::ranges::all_of(input_.pci.functions, covered);
}

void Draft::read_tables() {
    read_mcfg();
    read_dmar();
    read_iort();
    read_device_tree();
}

void Draft::read_mcfg() {
    // Whoever enumerates PCI does so through the windows of every MCFG, so all of them are protected.
    for (const Table& table : input_.tables) {
        if (table.name != "MCFG") continue;
        if (auto mcfg = firmware::parse_mcfg(table.bytes)) {
            std::ranges::move(mcfg->windows, std::back_inserter(mcfg_.windows));
            std::ranges::move(mcfg->findings, std::back_inserter(topology_.findings));
        } else {
            finding("mcfg-refused", Severity::error, {"MCFG"},
                    mcfg.error().text + ". Mend a copy of the tables and start with --tables and its folder.");
        }
    }
}

void Draft::read_dmar() {
    const config::TablePolicy policy = user_.vtd_tables();
    if (policy == config::TablePolicy::ignore) return;
    const Table* table = find_table(input_, "DMAR");
    if (table == nullptr) {
        if (policy == config::TablePolicy::require)
            finding("dmar-missing", Severity::error, {"DMAR"},
                    "smmu vtd require was said but the machine has no DMAR table; turn VT-d on in "
                    "its setup.");
        return;
    }
    auto dmar = firmware::parse_dmar(table->bytes);
    if (std::ranges::count(input_.tables, "DMAR", &Table::name) > 1)
        finding("dmar-several", Severity::error, {"DMAR"},
                "The machine has several DMAR tables, and only the first was read: units of the others would be left open. "
                "Describe units and devices by hand to start.");
    if (!dmar) {
        finding("dmar-refused", Severity::error, {"DMAR"},
                dmar.error().text + ". Describe units and devices by hand to start without it.");
        return;
    }
    std::ranges::move(std::exchange(dmar->findings, {}), std::back_inserter(topology_.findings));
    dmar_ = std::move(*dmar);
}

void Draft::read_iort() {
    const Table* table = find_table(input_, "IORT");
    if (table == nullptr) return;
    if (std::ranges::count(input_.tables, "IORT", &Table::name) > 1)
        finding("iort-several", Severity::error, {"IORT"},
                "The machine has several IORT tables, and only the first was read: units of the others would be left open. "
                "Describe units and devices by hand to start.");
    read_madt();
    auto iort = firmware::parse_iort(table->bytes);
    if (!iort) {
        finding("iort-refused", Severity::error, {"IORT"}, iort.error().text + ". Describe units and devices by hand to start without it.");
        return;
    }
    std::ranges::move(std::exchange(iort->findings, {}), std::back_inserter(topology_.findings));
    iort_ = std::move(*iort);
}

// Of a machine with an IORT: those of x86 stand at fixed places.
void Draft::read_madt() {
    const auto unprotected = [&](const std::string& why) {
        finding("madt-refused", Severity::warning, {"APIC"},
                why + ", so that the interrupt controllers are unknown and not protected: grant no device memory that holds them.");
    };
    const Table* table = find_table(input_, "APIC");
    if (table == nullptr) return unprotected("The machine has no MADT");
    auto madt = firmware::parse_madt(table->bytes);
    if (!madt) return unprotected(madt.error().text);
    std::ranges::move(std::exchange(madt->findings, {}), std::back_inserter(topology_.findings));
    madt_ = std::move(*madt);
}

PhysRange Draft::registers_at(PhysAddr base, std::uint64_t at_least) const {
    std::uint64_t bytes = std::max(at_least, page_bytes);
    for (const RegisterWindow& window : input_.register_windows)
        if (window.base == base) bytes = std::max(bytes, window.bytes);
    const auto range = PhysRange::from_length(base, bytes);
    // At the very top of the address space a window ends with it.
    return range ? *range : PhysRange{base, PhysAddr{~std::uint64_t{0}}};
}

void Draft::add_firmware_units() {
    add_vtd_units();
    add_smmu_units();
    add_tree_units();
    for (const Unit& unit : topology_.units)
        if (is_driven(unit.kind) && !user_.wants(unit.kind))
            finding("unit-kind-not-asked-for", Severity::warning, unit.origin,
                    fmt::format("No smmu word names the kind of {0}; it is contained all the same. Add: smmu {1}", unit.name, word_of(unit.kind)));
}

void Draft::add_vtd_units() {
    if (!dmar_) return;
    for (const firmware::Drhd& drhd : dmar_->units) {
        drhd_units_.push_back(UnitId(std::uint32_t(topology_.units.size())));
        const PhysAddr base = drhd.registers.first;
        topology_.units.push_back({UnitKind::vtd, fmt::format("vtd@{:x}", base.value),
                                   registers_at(base, drhd.registers.length()), drhd.segment, true,
                                   drhd.origin, std::min(dmar_->host_address_width, 52u)});
    }
}

void Draft::check_units() {
    auto& units = topology_.units;
    for (Unit& unit : units) {
        unit.answers = std::ranges::find(input_.silent_units, unit.registers.first) ==
                       input_.silent_units.end();
        if (!unit.answers)
            finding(
                "unit-silent", Severity::warning, unit.origin,
                fmt::format("Nothing answers at the registers of {}; it is left out. If it is there, say where: unit NAME ADDRESS", unit.name));
    }
    std::vector<const Unit*> by_base;
    for (const Unit& unit : units) by_base.push_back(&unit);
    std::ranges::sort(by_base, {}, [](const Unit* unit) { return unit->registers.first; });
    for (std::size_t i = 1; i < by_base.size(); ++i)
        if (by_base[i]->registers.overlaps(by_base[i - 1]->registers))
            finding(
                "unit-registers-overlap", Severity::error, by_base[i]->origin,
                fmt::format("The registers of {} and {} (at {}) overlap; one of the two is wrong. Correct the unit line, or start "
                            "with --tables and a mended copy of the tables.",
                            by_base[i]->name, by_base[i - 1]->name, by_base[i - 1]->origin.text));
    for (const config::AcceptEntry& entry : user_.uncontained_accepted)
        if (std::ranges::none_of(units, [&](const Unit& unit) { return unit.registers.first == entry.base; }))
            misconfigured("accepted-unit-unknown", entry.origin,
                          fmt::format("No unit has its registers at {:#x}. Leave the line out, or give the address of one of: {}.",
                                      entry.base.value, unit_names()));
    for (const config::UnclaimedEntry& entry : user_.unclaimed)
        if (entry.unit && !find_unit(*entry.unit))
            misconfigured("unclaimed-unit-unknown", entry.origin,
                          fmt::format("No unit is named {}. Leave the name out, or name one of: {}.", *entry.unit, unit_names()));
    if (units.empty())
        finding("no-units", Severity::error, {"firmware and configuration"},
                "No unit is known: nothing on this machine can be contained. Turn it on in the "
                "machine's setup or "
                "describe it with a unit line.");
}

void Draft::add_protected() {
    bool x86 = false;
    for (const Unit& unit : topology_.units) {
        x86 = x86 || is_x86(unit.kind);
        topology_.protected_memory.push_back({unit.registers, "registers of " + unit.name});
        for (const topology::CacheUnit& cache : unit.caches)
            topology_.protected_memory.push_back({cache.registers, "registers of " + cache.name});
        if (unit.kind == UnitKind::ipmmu) topology_.protected_memory.push_back({rcar_power_control, "power control of the chip"});
    }
    // Descriptions often say less of a cache unit than it has.
    for (const PhysRange& range : input_.further_registers)
        topology_.protected_memory.push_back({range, "registers of a part of a unit, whether described or not"});
    for (const firmware::ConfigWindow& window : mcfg_.windows)
        topology_.protected_memory.push_back(
            {window.range(),
             fmt::format("PCI configuration space of segment {:04x}", window.segment)});
    if (iort_)
        for (const firmware::IortNode& node : iort_->nodes)
            for (const firmware::IortRange& page : node.counter_pages)
                topology_.protected_memory.push_back({page.range, "counters of a unit"});
    for (const PhysRange& range : input_.table_memory)
        topology_.protected_memory.push_back({range, "table memory"});
    for (const firmware::GicFrame& frame : madt_.frames)
        topology_.protected_memory.push_back({frame.range, std::string(firmware::name(frame.kind)) + " of the interrupt controller"});
    // Those who send messages are given theirs; nobody opens one by himself.
    for (const firmware::TranslationService& service : madt_.services)
        topology_.protected_memory.push_back({service.doorbell, "doorbell of an interrupt translation service"});
    for (const firmware::MessageFrame& frame : madt_.message_frames)
        topology_.protected_memory.push_back({frame.doorbell, "doorbell of a message frame"});
    if (!x86) return;
    topology_.protected_memory.push_back({io_apic_frames, "I/O interrupt controllers"});
    topology_.protected_memory.push_back({local_apic_frames, "local interrupt controllers"});
}

topology::Device* Draft::find_device(const topology::DeviceId& id) {
    const auto at = std::ranges::lower_bound(topology_.devices, id, {}, &topology::Device::id);
    return at != topology_.devices.end() && at->id == id ? &*at : nullptr;
}

std::string Draft::unit_names() const {
    std::string names;
    for (const Unit& unit : topology_.units) {
        names += (names.empty() ? "" : ", ") + unit.name;
        for (const topology::CacheUnit& cache : unit.caches) names += ", " + cache.name;
    }
    return names.empty() ? "(none is known)" : names;
}

std::optional<UnitId> Draft::find_unit(std::string_view name) const {
    const auto at = std::ranges::find(topology_.units, name, &Unit::name);
    if (at == topology_.units.end()) return std::nullopt;
    return UnitId(std::uint32_t(at - topology_.units.begin()));
}

topology::Topology survey(const Input& input) {
    return Draft(input).take();
}

}  // namespace smmu::survey
