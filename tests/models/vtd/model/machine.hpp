// SPDX-License-Identifier: Apache-2.0
// VtdMachine: a PC with VT-d units that QEMU does not have, behind the board protocol or in a
// test's own process.
#pragma once

#include <deque>
#include <memory>
#include <vector>

#include "board/machine.hpp"
#include "tests/models/vtd/model/dma_device.hpp"
#include "tests/models/vtd/model/unit.hpp"

namespace smmu::model::vtd {

class VtdMachine final : public board::Machine {
public:
    // `log`: where complaints go besides complaints(); may be empty.
    explicit VtdMachine(MachineFacts facts, const std::string& log = {});

    const link::MachineDescription& description() const override { return description_; }
    std::span<const link::FirmwareTable> firmware_tables() const override { return tables_; }
    int ram() const override { return memory_.file(); }
    Result<void> perform(std::span<const link::Operation> operations,
                         std::span<std::uint64_t> values) override;

    const MachineFacts& facts() const { return facts_; }
    const Complaints& complaints() const { return complaints_; }
    Memory& memory() { return memory_; }
    Unit& unit(std::size_t index) { return *units_[index]; }
    // Aborts when there is no such device.
    DmaDevice& device(std::uint8_t bus, std::uint8_t slot, std::uint16_t segment = 0);

private:
    std::uint64_t carry_out(const link::Operation& operation);
    std::uint64_t at_port(const link::Operation& operation);
    std::uint64_t at_config(std::uint16_t segment, std::uint64_t offset,
                            const link::Operation& operation);
    void add_functions();
    PciFunction* find(std::uint16_t segment, std::uint16_t id);
    PciFunction* above(const PciFunction& function);
    bool covers(const ScopeFacts& scope, const PciFunction& function);
    Unit* unit_of(const PciFunction& function);
    Outcome request(PciFunction& function, Request request, std::span<std::byte> bytes);

    MachineFacts facts_;
    Memory memory_;
    Complaints complaints_;
    link::MachineDescription description_;
    std::vector<link::FirmwareTable> tables_;
    std::deque<PciFunction> functions_;
    std::deque<DmaDevice> devices_;
    std::vector<std::unique_ptr<Unit>> units_;
    std::uint32_t selected_ = 0;  // by port 0xcf8
};

}  // namespace smmu::model::vtd
