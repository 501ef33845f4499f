// SPDX-License-Identifier: Apache-2.0
// Predecessor: whether what a unit does now is all what an earlier instance of the service told it,
// by its registers.
#pragma once

#include <optional>
#include <vector>

#include "memory/arena.hpp"
#include "units/smmuv2/bank.hpp"
#include "units/smmuv2/streams.hpp"

namespace smmu::units::smmuv2 {

struct Predecessor {
    std::vector<std::uint16_t> tags;           // of the banks that are on
    std::vector<std::optional<Entry>> groups;  // by number
};

// What sCR0 holds while the unit contains, and the fields of it that containment rests on.
hw::Bits<Control> running_control(const Features& features, bool unknown_pass);
std::uint32_t vital_bits(hw::Bits<Control> control);

// Nothing unless the unit translates and every register has the form that this driver writes, with
// all tables in the arena.
std::optional<Predecessor> find_predecessor(const Hardware& hardware, const memory::Arena& arena,
                                            bool unknown_pass);
// Of a unit that is on: no stream is translated or refused.
bool passes_everything(const Hardware& hardware);

}  // namespace smmu::units::smmuv2
