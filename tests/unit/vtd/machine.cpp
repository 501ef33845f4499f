// SPDX-License-Identifier: Apache-2.0
// The machine around the unit in software: registers by forwarding, table memory from its storage.
#include "silicon.hpp"

namespace silicon {
namespace {

class Forwarding final : public smmu::hw::Mmio {
public:
    explicit Forwarding(Unit& unit) : unit_(unit) {}
    std::uint32_t read32(std::uint64_t offset) noexcept override { return unit_.read32(offset); }
    std::uint64_t read64(std::uint64_t offset) noexcept override { return unit_.read64(offset); }
    void write32(std::uint64_t offset, std::uint32_t value) noexcept override {
        unit_.write32(offset, value);
    }
    void write64(std::uint64_t offset, std::uint64_t value) noexcept override {
        unit_.write64(offset, value);
    }

private:
    Unit& unit_;
};

}  // namespace

smmu::Result<std::unique_ptr<smmu::hw::Mmio>> Machine::registers(smmu::PhysRange range) {
    mapped.push_back(range);
    return std::make_unique<Forwarding>(unit_);
}

smmu::Result<smmu::memory::TableMemory> Machine::table_memory(std::optional<smmu::PhysRange>,
                                                              std::uint64_t) {
    return smmu::memory::TableMemory{{{memory_base}, {memory_base + memory_bytes - 1}},
                                     {unit_.memory, memory_bytes}};
}

}  // namespace silicon
