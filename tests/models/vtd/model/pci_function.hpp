// SPDX-License-Identifier: Apache-2.0
// PciFunction: one function's configuration space (PCIe Base 7.5), as firmware left it.
#pragma once

#include <array>
#include <cstdint>

#include "base/range.hpp"
#include "tests/models/vtd/model/facts.hpp"

namespace smmu::model::vtd {

class PciFunction {
public:
    static constexpr std::uint32_t registers_bytes = 1 << 20;

    // `registers`: where firmware put its first BAR; 0 for a function without one. `window`: what a
    // bridge hands down.
    PciFunction(const FunctionFacts& facts, std::uint32_t registers, PhysRange window);

    const FunctionFacts& facts() const { return facts_; }
    std::uint16_t id() const {
        return std::uint16_t(facts_.bus << 8 | facts_.device << 3 | facts_.function);
    }
    bool is_bridge() const {
        return facts_.kind == Kind::root_port || facts_.kind == Kind::pci_bridge;
    }
    bool is_device() const { return facts_.kind == Kind::edu || facts_.kind == Kind::ats_edu; }

    std::uint64_t read(unsigned offset, unsigned bytes) const;
    void write(unsigned offset, unsigned bytes, std::uint64_t value);

    bool bus_master() const { return (word(4) & 4) != 0; }
    // Whether its registers answer at `address`.
    bool decodes(std::uint64_t address) const;
    std::uint64_t registers() const { return word(0x10) & ~0xfu; }
    bool translates() const;  // ATS is enabled
    bool may_skip_snoop() const;
    bool sends_messages() const { return facts_.kind == Kind::edu && (word(msi) >> 16 & 1) != 0; }
    std::uint64_t message_address() const {
        return word(msi + 4) | std::uint64_t{word(msi + 8)} << 32;
    }
    std::uint32_t message_data() const { return word(msi + 12) & 0xffff; }

private:
    static constexpr unsigned msi = 0x40;
    static constexpr unsigned pcie = 0x60;
    static constexpr unsigned first_extended = 0x100;
    static constexpr unsigned pasid = 0x120;

    std::uint32_t word(unsigned offset) const;
    void set(unsigned offset, std::uint32_t value, std::uint32_t writable = 0);
    void add_pcie(unsigned type);
    void reset();

    FunctionFacts facts_;
    std::array<std::uint8_t, 4096> bytes_{};
    std::array<std::uint8_t, 4096> writable_{};
};

}  // namespace smmu::model::vtd
