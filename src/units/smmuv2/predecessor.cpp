// SPDX-License-Identifier: Apache-2.0
#include "units/smmuv2/predecessor.hpp"

#include <algorithm>

namespace smmu::units::smmuv2 {
namespace {

// False when a bank that is on is not one of ours.
bool read_banks(const Hardware& hardware, const memory::Arena& arena,
                std::vector<std::uint16_t>& tags) {
    for (unsigned index = 0; index < hardware.features().banks; ++index) {
        if (!is_on(hardware, index)) continue;
        const auto bank = read_bank(hardware, index);
        if (!bank || arena.words_at(bank->root) == nullptr) return false;
        tags.push_back(tag_of(index, hardware.features()));
    }
    return true;
}

bool is_ours(const Entry& entry, const std::vector<std::uint16_t>& tags, const Features& features) {
    if (!entry.is_plain) return false;
    if (entry.target.type == StreamType::fault) return true;
    return entry.target.type == StreamType::translate && entry.target.bank >= features.first_bank &&
           std::ranges::find(tags, tag_of(entry.target.bank, features)) != tags.end();
}

// Where streams are indexed, all that nobody has refuse in the same way.
bool has_stream(const std::optional<Entry>& entry, const Features& features) {
    return entry && (features.stream_matching || entry->target.type == StreamType::translate);
}

}  // namespace

hw::Bits<Control> running_control(const Features& features, bool unknown_pass) {
    return Control::aborts_faults(1) | Control::aborts_configuration_faults(1) |
           Control::never_stalls(1) | Control::private_vmids(1) | Control::private_maintenance(1) |
           Control::unknown_fault.of(unknown_pass ? 0 : 1) |
           Control::extended_ids.of(features.extended_ids ? 1 : 0) |
           Control::conflicts_fault.of(features.detects_conflicts ? 1 : 0);
}

std::uint32_t vital_bits(hw::Bits<Control> control) {
    constexpr auto mask = Control::clients_bypass(1) | Control::extended_ids(1) |
                          Control::stalls_all(1) | Control::unknown_fault(1) |
                          Control::conflicts_fault(1) | Control::wide_vmids(1);
    return control.raw() & mask.raw();
}

std::optional<Predecessor> find_predecessor(const Hardware& hardware, const memory::Arena& arena,
                                            bool unknown_pass) {
    const Features& features = hardware.features();
    const auto control = hardware.read<Control>();
    const bool told_apart = features.stream_matching || !unknown_pass;
    if (!arena.continued() || !told_apart || control.raw() == ~std::uint32_t{0} ||
        vital_bits(control) != vital_bits(running_control(features, unknown_pass)))
        return std::nullopt;
    Predecessor found;
    if (!read_banks(hardware, arena, found.tags)) return std::nullopt;
    for (unsigned group = 0; group < features.groups; ++group) {
        const auto entry = read_entry(hardware, group, features.extended_ids);
        if (entry && !is_ours(*entry, found.tags, features)) return std::nullopt;
        found.groups.push_back(has_stream(entry, features) ? entry : std::nullopt);
    }
    return found;
}

bool passes_everything(const Hardware& hardware) {
    const auto control = hardware.read<Control>();
    if (control.has(Control::unknown_fault)) return false;
    for (unsigned group = 0; group < hardware.features().groups; ++group) {
        const auto entry = read_entry(hardware, group, control.has(Control::extended_ids));
        if (entry && entry->target.type != StreamType::bypass) return false;
    }
    return true;
}

}  // namespace smmu::units::smmuv2
