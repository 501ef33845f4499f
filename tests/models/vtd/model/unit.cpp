// SPDX-License-Identifier: Apache-2.0
// Unit: registers and requests. The rest of the class: commands.cpp, invalidation.cpp.
#include "tests/models/vtd/model/unit.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "tests/models/vtd/model/registers.hpp"

namespace smmu::model::vtd {
namespace {

// 64-bit registers; every other one is accessed by 32 bits.
bool is_wide(unsigned offset, const Features& features) {
    const unsigned records_end = features.fault_offset + 16 * features.fault_registers;
    return std::ranges::find(reg::wide, offset & ~7u) != reg::wide.end() ||
           (offset & ~15u) == (features.iotlb_offset & ~15u) ||
           (offset >= features.fault_offset && offset < records_end);
}

}  // namespace

Unit::Unit(const Features& features, const Behaviour& behaviour, unsigned host_bits, Memory& memory,
           Complaints& complaints, const std::string& name)
    : features_(features),
      behaviour_(behaviour),
      host_bits_(host_bits),
      memory_(memory),
      complaints_(complaints),
      name_(name),
      view_(memory, !features.coherent && behaviour.sees_cleaning, features.write_buffer),
      translator_(features_, host_bits, view_, complaints, name),
      faults_(features.fault_registers, behaviour.collapses_faults) {
    stored(reg::fectl) = stored(reg::iectl) = 1u << 31;
}

std::uint64_t Unit::read(std::uint64_t offset, unsigned bytes) {
    const auto at = unsigned(offset);
    if (bytes < 4) return ~std::uint64_t{0};
    if (bytes == 4) return read_dword(at);
    if (!is_wide(at, features_))
        complain(fmt::format("a 64-bit access to the 32-bit register at {:#x}", at));
    const std::uint64_t low = read_dword(at);
    return low | std::uint64_t{read_dword(at + 4)} << 32;
}

void Unit::write(std::uint64_t offset, unsigned bytes, std::uint64_t value) {
    const auto at = unsigned(offset);
    if (bytes < 4) {
        complain(fmt::format("a write of {} bytes to the register at {:#x}", bytes, at));
        return;
    }
    if (bytes == 8 && !is_wide(at, features_))
        complain(fmt::format("a 64-bit access to the 32-bit register at {:#x}", at));
    write_dword(at, std::uint32_t(value));
    if (bytes == 8) write_dword(at + 4, std::uint32_t(value >> 32));
}

std::uint32_t Unit::read_dword(unsigned offset) {
    const unsigned records_end = features_.fault_offset + 16 * features_.fault_registers;
    if (offset >= features_.fault_offset && offset < records_end)
        return faults_.read((offset - features_.fault_offset) / 4);
    switch (offset) {
        case reg::ver:
            return features_.major << 4 | features_.minor;
        case reg::cap:
            return std::uint32_t(features_.cap());
        case reg::cap + 4:
            return std::uint32_t(features_.cap() >> 32);
        case reg::ecap:
            return std::uint32_t(features_.ecap());
        case reg::ecap + 4:
            return std::uint32_t(features_.ecap() >> 32);
        case reg::gcmd:
            return 0;
        case reg::gsts:
            count_down();
            return status_;
        case reg::fsts:
            return faults_.status() | std::uint32_t{queue_error_} << 4;
        case reg::iqh:
            return queue_head_;
        case reg::ics:
            return wait_done_;
        case reg::iqercd:
            return queue_error_reason_;
        default:
            return stored(offset);
    }
}

void Unit::write_dword(unsigned offset, std::uint32_t value) {
    const unsigned records_end = features_.fault_offset + 16 * features_.fault_registers;
    if (offset >= features_.fault_offset && offset < records_end)
        return faults_.write((offset - features_.fault_offset) / 4, value);
    if (offset == features_.iotlb_offset || offset == features_.iotlb_offset + 4 ||
        offset == features_.iotlb_offset + 8) {
        stored(offset) = value;
        return;
    }
    if (offset == features_.iotlb_offset + 12) return translation_command(value);
    switch (offset) {
        case reg::gcmd:
            return command(value);
        case reg::ccmd + 4:
            return context_command(value);
        case reg::fsts:
            if ((value & 1) != 0) faults_.clear_overflow();
            if ((value & 1 << 4) != 0 && queue_error_) {
                queue_error_ = false;
                queue_error_reason_ = 0;
                fetch_descriptors();
            }
            return;
        case reg::fectl:
        case reg::iectl:
            stored(offset) = value & 1u << 31;
            return;
        case reg::pmen:
        case reg::plmbase:
        case reg::plmlimit:
        case reg::phmbase:
        case reg::phmbase + 4:
        case reg::phmlimit:
        case reg::phmlimit + 4:
            return write_protected_memory(offset, value);
        case reg::iqt:
            return write_tail(value);
        case reg::iqa:
        case reg::iqa + 4:
            if (is_on(gcmd::queue))
                return complain("the queue's address is written while the queue is enabled");
            stored(offset) = value;
            return;
        case reg::ics:
            if ((value & 1) != 0) wait_done_ = false;
            return;
        case reg::rtaddr:
        case reg::rtaddr + 4:
        case reg::ccmd:
        case reg::fedata:
        case reg::feaddr:
        case reg::feuaddr:
        case reg::iedata:
        case reg::ieaddr:
        case reg::ieuaddr:
        case reg::irta:
        case reg::irta + 4:
            stored(offset) = value;
            return;
        case reg::iqt + 4:
            if (value != 0) complain("reserved bits of the queue's tail are set");
            return;
        default:
            complain(fmt::format("a write of {:#x} to {:#x}, which cannot be written on this unit",
                                 value, offset));
    }
}

void Unit::write_protected_memory(unsigned offset, std::uint32_t value) {
    if (!features_.low_protected && !features_.high_protected)
        return complain("protected memory registers are written on a unit without them");
    if (offset == reg::pmen) {
        const std::uint32_t enable = value & 1u << 31;
        stored(offset) = enable | enable >> 31;
        return;
    }
    if ((stored(reg::pmen) & 1) != 0)
        return complain("a protected region is changed while it is protected");
    stored(offset) = value;
}

// Regions of 2 MiB granularity. Older units protect only from what no unit translates.
bool Unit::is_protected(std::uint64_t address) {
    if ((stored(reg::pmen) & 1) == 0) return false;
    if (features_.major < 2 && is_on(gcmd::translation)) return false;
    constexpr std::uint64_t granule = 0x1fffff;
    const auto inside = [&](std::uint64_t base, std::uint64_t limit) {
        return address >= (base & ~granule) && address <= (limit | granule);
    };
    return (features_.low_protected && inside(stored(reg::plmbase), stored(reg::plmlimit))) ||
           (features_.high_protected && inside(stored64(reg::phmbase), stored64(reg::phmlimit)));
}

Outcome Unit::handle(const Request& request) {
    Outcome outcome{.allowed = true, .address = request.address, .snooped = !request.no_snoop};
    if (is_on(gcmd::translation)) {
        const auto answer = translator_.translate(request);
        if (answer.fault) faults_.record(request, *answer.fault);
        outcome = answer.outcome;
    } else if (request.address >> 20 == 0xfee) {
        outcome = {.interrupt = request.write};
    } else if (request.type != AddressType::untranslated || request.pasid) {
        outcome = {};
    }
    if (outcome.allowed && request.type != AddressType::translation &&
        is_protected(outcome.address))
        return {};
    return outcome;
}

}  // namespace smmu::model::vtd
