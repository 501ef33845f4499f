// SPDX-License-Identifier: Apache-2.0
// RcarMachine: an R-Car board, as far as DMA goes: RAM, IPMMUs, bus masters, power domains and the
// product register, behind the board protocol or in a test's own process. No processor.
#pragma once

#include <deque>
#include <memory>
#include <string_view>
#include <vector>

#include "board/machine.hpp"
#include "tests/models/rcar/model/cache_unit.hpp"
#include "tests/models/rcar/model/facts.hpp"
#include "tests/models/rcar/model/master.hpp"
#include "tests/models/rcar/model/power.hpp"

namespace smmu::model::rcar {

class RcarMachine final : public board::Machine {
public:
    static constexpr std::uint64_t ram_base = 0x40000000;
    static constexpr std::uint64_t product_register = 0xfff00044;

    // `log`: where complaints go besides complaints(); may be empty.
    explicit RcarMachine(MachineFacts facts, const std::string& log = {});

    const link::MachineDescription& description() const override { return description_; }
    std::span<const link::FirmwareTable> firmware_tables() const override { return tables_; }
    int ram() const override { return memory_.file(); }
    Result<void> perform(std::span<const link::Operation> operations,
                         std::span<std::uint64_t> values) override;

    const MachineFacts& facts() const { return facts_; }
    const Complaints& complaints() const { return complaints_; }
    Memory& memory() { return memory_; }
    MainUnit& main_unit() { return main_; }
    // These abort when there is none of that name.
    CacheUnit& unit(std::string_view name);
    Master& master(std::string_view name);
    // What a cache clean to the point of coherency does (Behaviour::sees_cleaning).
    void clean(PhysRange range) { view_.clean(range); }

private:
    std::uint64_t carry_out(const link::Operation& operation);
    std::uint64_t at_word(const link::Operation& operation);
    bool access(CacheUnit& unit, unsigned slot, std::uint64_t address, std::span<std::byte> bytes,
                bool write);

    MachineFacts facts_;
    Memory memory_;
    View view_;
    Complaints complaints_;
    link::MachineDescription description_;
    std::vector<link::FirmwareTable> tables_;
    MainUnit main_;
    std::deque<CacheUnit> units_;
    std::deque<Master> masters_;
    Power power_;
};

}  // namespace smmu::model::rcar
