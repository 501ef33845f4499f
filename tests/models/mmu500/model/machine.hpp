// SPDX-License-Identifier: Apache-2.0
// Mmu500Machine: an Arm board with MMU-500 units and DMA engines behind them, behind the board
// protocol or in a test's own process.
#pragma once

#include <deque>
#include <memory>

#include "board/machine.hpp"
#include "tests/models/mmu500/model/engine.hpp"
#include "tests/models/mmu500/model/facts.hpp"
#include "tests/models/mmu500/model/unit.hpp"

namespace smmu::model::mmu500 {

class Mmu500Machine final : public board::Machine {
public:
    // A read-only register: how many different complaints there were so far.
    static constexpr std::uint64_t complaint_count = 0xfff00000;

    // `log`: where complaints go besides complaints(); may be empty.
    explicit Mmu500Machine(MachineFacts facts, const std::string& log = {});

    const link::MachineDescription& description() const override { return description_; }
    std::span<const link::FirmwareTable> firmware_tables() const override { return tables_; }
    int ram() const override { return memory_.file(); }
    Result<void> perform(std::span<const link::Operation> operations,
                         std::span<std::uint64_t> values) override;

    const MachineFacts& facts() const { return facts_; }
    const Complaints& complaints() const { return complaints_; }
    Memory& memory() { return memory_; }
    Unit& unit(std::size_t index) { return *units_[index]; }
    Engine& engine(std::size_t index) { return engines_[index]; }

private:
    std::uint64_t carry_out(const link::Operation& operation);
    Outcome request(std::size_t unit, const Request& request, std::span<std::byte> bytes);

    MachineFacts facts_;
    Memory memory_;
    Complaints complaints_;
    link::MachineDescription description_;
    std::vector<link::FirmwareTable> tables_;
    std::vector<std::unique_ptr<Unit>> units_;
    std::deque<Engine> engines_;
};

}  // namespace smmu::model::mmu500
