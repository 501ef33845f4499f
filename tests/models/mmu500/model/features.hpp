// SPDX-License-Identifier: Apache-2.0
// Features: what a unit can do, as its identification registers say, and Behaviour: what it does
// besides (SMMUv2 IHI 0062; MMU-500).
#pragma once

#include <cstdint>

namespace smmu::model::mmu500 {

struct Features {
    bool stage1 = true;
    bool stage2 = true;
    bool nested = true;
    bool stream_matching = true;  // else a StreamID is the index of its S2CR
    unsigned match_groups = 32;   // SMR/S2CR pairs, at most 128
    bool conflict_detection = false;
    unsigned stream_bits = 15;  // of a StreamID, without extended ids
    bool extended_ids = false;
    unsigned mask_bits = 15;  // of SMR.MASK that are implemented
    unsigned banks = 16;      // at most 128
    unsigned stage2_banks = 4;
    bool large_pages = false;  // of the register space: 64 KiB, not 4 KiB
    bool coherent = true;
    bool wide_vmid = false;
    unsigned input_bits = 48;   // IAS and upstream
    unsigned output_bits = 48;  // OAS
    bool granule_4k = true;
    bool granule_16k = true;
    bool granule_64k = true;
    unsigned major = 2;  // of MMU-500's revision
    unsigned minor = 4;

    std::uint32_t idr0() const;
    std::uint32_t idr1() const;
    std::uint32_t idr2() const;
    std::uint32_t idr7() const { return major << 4 | minor; }

    unsigned page_log2() const { return large_pages ? 16 : 12; }
    // Pages of the global half, and of the half with the context banks.
    unsigned pages() const;
    std::uint64_t window_bytes() const { return 2ull * pages() << page_log2(); }
    unsigned streams() const { return stream_matching ? match_groups : 1u << stream_bits; }
};

// Numbers of readings and the like are small; zero is the tame unit.
struct Behaviour {
    bool sees_cleaning = false;   // walks that are not coherent see memory only after clean()
    unsigned sync_delay = 0;      // readings of a sync's status that still say active
    bool never_syncs = false;     // a device that does not answer
    bool cache_locked = false;    // secure software keeps sACR.CACHE_LOCK set
    bool no_wide_access = false;  // 64-bit register accesses lose their high half (Marvell AP806)
    bool undefined_reset = true;  // registers without reset values hold what firmware left
    bool live = false;            // firmware left the unit on, its streams bypassing
};

}  // namespace smmu::model::mmu500
