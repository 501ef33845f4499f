// SPDX-License-Identifier: Apache-2.0
// Features: what a unit says of itself (VT-d 5.10, 11.4.2 and 11.4.3), and what it does besides
// that the specification leaves to hardware.
#pragma once

#include <cstdint>

namespace smmu::model::vtd {

struct Features {
    unsigned major = 1;
    unsigned minor = 0;
    // Capability register.
    unsigned sagaw = 0b0100;        // bit 1: 3 levels, bit 2: 4, bit 3: 5
    unsigned mgaw = 48;             // bits of a device address
    unsigned domain_bits = 16;      // 4 to 16, even
    unsigned fault_registers = 1;   // 1 to 8
    unsigned fault_offset = 0x200;  // bytes
    unsigned large_pages = 0;       // bit 0: 2 MiB, bit 1: 1 GiB
    bool page_selective = true;
    unsigned mamv = 9;
    bool caching_mode = false;
    bool write_buffer = false;  // RWBF
    bool low_protected = false;
    bool high_protected = false;
    bool srtp_invalidates = false;   // ESRTPS
    bool sirtp_invalidates = false;  // ESIRTPS
    bool drains = true;              // DRD and DWD
    bool first_stage_1g = false;
    bool first_stage_5 = false;
    // Extended capability register.
    unsigned iotlb_offset = 0xf0;  // bytes
    bool coherent = true;
    bool queued = true;
    bool device_tlb = false;
    bool interrupt_remapping = false;
    bool x2apic = false;
    bool pass_through = false;
    bool snoop_control = false;
    bool scalable = false;
    bool first_stage = false;
    bool second_stage = false;  // in scalable mode
    bool nested = false;
    bool walk_snoop = false;  // SMPWCS
    bool abort_mode = false;  // ADMS
    bool rid_pasid = false;   // RPS
    unsigned pasid_bits = 0;  // 0: no request carries a PASID

    std::uint64_t cap() const;
    std::uint64_t ecap() const;
    unsigned domains() const { return 1u << domain_bits; }
    bool has_levels(unsigned levels) const {
        return levels >= 3 && levels <= 5 && (sagaw >> (levels - 2) & 1) != 0;
    }
};

struct Behaviour {
    unsigned acknowledge_delay = 0;        // readings of GSTS until a command has taken effect
    std::uint32_t never_acknowledged = 0;  // bits of GCMD
    bool collapses_faults = false;  // further faults of a source with one pending are dropped
    // What the processor stored reaches the walker only by Unit::clean. Only for tests in the same
    // process: nobody can see another process's cache-line flushes.
    bool sees_cleaning = false;
};

}  // namespace smmu::model::vtd
