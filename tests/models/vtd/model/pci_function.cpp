// SPDX-License-Identifier: Apache-2.0
#include "tests/models/vtd/model/pci_function.hpp"

#include <cstring>

namespace smmu::model::vtd {
namespace {

constexpr std::uint32_t edu_id = 0x11e81234;
constexpr std::uint32_t bridge_id = 0x000c1b36;
constexpr std::uint32_t host_bridge_id = 0x29c08086;
constexpr std::uint32_t has_capabilities = 1u << 20;
constexpr unsigned memory_and_master = 6;
constexpr unsigned express_endpoint = 0, express_root_port = 4, express_to_pci = 7;

}  // namespace

PciFunction::PciFunction(const FunctionFacts& facts, std::uint32_t registers, PhysRange window)
    : facts_(facts) {
    constexpr std::uint32_t command_writable = 0x407;
    const bool ats = facts.kind == Kind::ats_edu;
    if (facts.kind == Kind::host_bridge) {
        set(0, host_bridge_id);
        set(8, 0x06000000);
        return;
    }
    if (is_device()) {
        set(0, edu_id);
        set(4, has_capabilities | (memory_and_master & 2), command_writable);
        set(8, 0x00ff0010);
        set(0x10, registers, ~(registers_bytes - 1));
        set(0x34, ats ? pcie : msi);
        set(0x3c, 0x1ff, 0xff);
        set(msi, 0x00800005, 0x710000);
        set(msi + 4, 0, ~3u);
        set(msi + 8, 0, ~0u);
        set(msi + 12, 0, 0xffff);
    } else {
        set(0, bridge_id);
        set(4, has_capabilities | memory_and_master, command_writable);
        set(8, 0x06040000);
        set(0xc, 0x00010000);
        set(0x18, std::uint32_t(facts.bus | facts.secondary << 8 | facts.secondary << 16),
            0xffffff);
        set(0x20,
            std::uint32_t((window.first.value >> 16 & 0xfff0) | (window.last.value & 0xfff00000)));
        set(0x24, 0x0000fff0);  // no prefetchable window
        set(0x34, pcie);
        set(0x3c, 0, 0xffff0000);
    }
    if (facts.kind == Kind::root_port) add_pcie(express_root_port);
    if (facts.kind == Kind::pci_bridge) add_pcie(express_to_pci);
    if (ats) add_pcie(express_endpoint);
    if (facts.kind == Kind::root_port) {
        constexpr std::uint32_t access_control = 0x1001d;
        set(first_extended, access_control & ~0x10u);
        set(first_extended + 4, 0x1f, 0x1f0000);
    }
    if (ats) {
        set(first_extended, 0x0001000f | pasid << 20);  // ATS
        set(first_extended + 4, 0x20, 0x801f0000);
        set(pasid, 0x0001001b);
        set(pasid + 4, 0x1400, 0x70000);
    }
}

void PciFunction::add_pcie(unsigned type) {
    set(pcie, 0x00020010 | type << 20);
    set(pcie + 4, facts_.kind == Kind::ats_edu ? 0x10008000 : 0x8000);
    set(pcie + 8, 0x2810, 0xfeff);
}

std::uint32_t PciFunction::word(unsigned offset) const {
    std::uint32_t value = 0;
    std::memcpy(&value, &bytes_[offset], sizeof value);
    return value;
}

void PciFunction::set(unsigned offset, std::uint32_t value, std::uint32_t writable) {
    std::memcpy(&bytes_[offset], &value, sizeof value);
    std::memcpy(&writable_[offset], &writable, sizeof writable);
}

std::uint64_t PciFunction::read(unsigned offset, unsigned bytes) const {
    std::uint64_t value = 0;
    std::memcpy(&value, &bytes_[offset], bytes);
    return value;
}

void PciFunction::write(unsigned offset, unsigned bytes, std::uint64_t value) {
    for (unsigned i = 0; i < bytes; ++i) {
        const auto byte = std::uint8_t(value >> 8 * i);
        std::uint8_t& held = bytes_[offset + i];
        const std::uint8_t mask = writable_[offset + i];
        held = std::uint8_t((held & ~mask) | (byte & mask));
    }
    constexpr std::uint32_t initiate_reset = 1 << 15;
    if (facts_.kind == Kind::ats_edu && (word(pcie + 8) & initiate_reset) != 0) reset();
}

void PciFunction::reset() {
    *this = PciFunction(facts_, 0, {});
    bytes_[4] = 0;
}

bool PciFunction::decodes(std::uint64_t address) const {
    return is_device() && (word(4) & 2) != 0 && registers() != 0 && address >= registers() &&
           address - registers() < registers_bytes;
}

bool PciFunction::translates() const {
    return facts_.kind == Kind::ats_edu && word(first_extended + 4) >> 31 != 0;
}

bool PciFunction::may_skip_snoop() const {
    return facts_.kind == Kind::ats_edu && (word(pcie + 8) & 1 << 11) != 0;
}

}  // namespace smmu::model::vtd
