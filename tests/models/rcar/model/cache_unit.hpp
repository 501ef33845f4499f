// SPDX-License-Identifier: Apache-2.0
// CacheUnit: a cache IPMMU near bus masters: micro-TLBs, each off (its master reaches all memory)
// or tied to a context, and what they remember.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "tests/models/rcar/model/main_unit.hpp"

namespace smmu::model::rcar {

// What becomes of an access: where it arrives, when it is allowed.
struct Outcome {
    bool allowed = false;
    std::uint64_t address = 0;
};

class CacheUnit {
public:
    CacheUnit(const Product& product, const UnitFacts& facts, MainUnit& main_unit,
              Complaints& complaints);

    const UnitFacts& facts() const { return facts_; }
    bool is_powered() const { return powered_; }
    // Registers and translations are lost when the power goes, and zero when it comes.
    void set_power(bool on);

    // 32 bits, naturally aligned.
    std::uint32_t read(std::uint64_t offset);
    void write(std::uint64_t offset, std::uint32_t value);

    Outcome handle(unsigned slot, std::uint64_t address, bool write);
    bool uses(unsigned context) const;
    // The main unit's flush of a context is over.
    void flushed(unsigned context);

private:
    struct Slot {
        std::uint32_t control = 0;
        Tlb tlb;
    };

    void complain(const std::string& what) { complaints_.add(facts_.name + ": " + what); }
    void write_context(unsigned index, unsigned offset, std::uint32_t value);
    void write_slot(unsigned index, unsigned offset, std::uint32_t value);
    void write_unit(unsigned offset, std::uint32_t value);
    void check_slot(unsigned index, std::uint32_t value);
    void forget(unsigned context);
    bool keeps_what_it_was_told_to_forget() const;
    unsigned context_of(std::uint32_t slot_control) const {
        return slot_control >> 4 & (product_.generation == 4 ? 0x1f : 0xf);
    }

    Product product_;
    UnitFacts facts_;
    MainUnit& main_;
    Complaints& complaints_;
    bool powered_ = true;
    std::uint32_t control_ = 0;
    std::array<std::uint32_t, 32> contexts_{};  // IMCTR of each; as many as IMUCTR can name
    std::array<bool, 32> flush_asked_{};
    std::vector<Slot> slots_;
};

}  // namespace smmu::model::rcar
