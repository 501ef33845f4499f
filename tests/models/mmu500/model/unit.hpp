// SPDX-License-Identifier: Apache-2.0
// Unit: one MMU-500 as non-secure software sees it: global registers, streams, context banks, TLB.
#pragma once

#include "tests/models/mmu500/model/contexts.hpp"
#include "tests/models/mmu500/model/streams.hpp"

namespace smmu::model::mmu500 {

class Unit {
public:
    Unit(const Features& features, const Behaviour& behaviour, const Memory& memory,
         Complaints& complaints, const std::string& name);
    Unit(const Unit&) = delete;
    Unit& operator=(const Unit&) = delete;

    std::uint64_t window_bytes() const { return features_.window_bytes(); }
    // Naturally aligned, 4 or 8 bytes.
    std::uint64_t read(std::uint64_t offset, unsigned bytes);
    void write(std::uint64_t offset, unsigned bytes, std::uint64_t value);

    Outcome handle(const Request& request);
    void set_resumption(Contexts::Resumption resumption) {
        contexts_.set_resumption(std::move(resumption));
    }
    // The levels of the interrupt lines.
    bool global_interrupt() const;
    bool interrupt(unsigned bank) const { return contexts_.interrupt(bank); }

    // What a cache clean does (Behaviour::sees_cleaning).
    void clean(PhysRange range) { view_.clean(range); }

private:
    // Where an offset lies: in a global page, or in the page of a bank.
    struct Place {
        unsigned page;
        unsigned offset;
        std::optional<unsigned> bank;
    };
    Place place(std::uint64_t offset) const;
    std::uint32_t read32(const Place& place);
    void write32(const Place& place, std::uint32_t value);
    std::uint32_t read_global(unsigned offset);
    void write_global(unsigned offset, std::uint32_t value);
    void write_scr0(std::uint32_t value);
    void write_sacr(std::uint32_t value);
    void write_streams(unsigned offset, std::uint32_t value);
    void write_bank(unsigned bank, unsigned offset, unsigned bytes, std::uint64_t value);
    void synchronise();
    // Invalidations are known to hold before anything opens.
    void expect_synchronised(const char* what);

    bool translates() const { return (scr0_ & scr0::clientpd) == 0; }
    Outcome fault(std::uint32_t bits, const Request& request);
    Outcome by_stream(const Request& request);

    Features features_;
    Behaviour behaviour_;
    Voice complain_;
    View view_;
    Tlb tlb_;
    Streams streams_;
    Contexts contexts_;
    Sync sync_;
    bool drops_everything_ = false;  // the global sync under way

    std::uint32_t scr0_ = scr0::clientpd;
    std::uint32_t scr2_ = 0;
    std::uint32_t sacr_;
    std::uint32_t sgfsr_ = 0;
    std::uint32_t sgfsynr0_ = 0;
    std::uint32_t sgfsynr1_ = 0;
    std::uint64_t sgfar_ = 0;
};

}  // namespace smmu::model::mmu500
