// SPDX-License-Identifier: Apache-2.0
// Contexts: the context banks: their registers, and what they make of requests.
#pragma once

#include <functional>
#include <vector>

#include "tests/models/mmu500/model/walker.hpp"

namespace smmu::model::mmu500 {

class Contexts {
public:
    // Called when the driver resumes what `bank` stalled.
    using Resumption = std::function<void(unsigned bank, bool terminate)>;

    Contexts(const Features& features, const Behaviour& behaviour, const View& view, Tlb& tlb,
             const Voice& complain);

    // Offsets in the page of a bank, and in that of global space 1.
    std::uint32_t read(unsigned index, unsigned offset);
    void write(unsigned index, unsigned offset, std::uint32_t value);
    void write_wide(unsigned index, unsigned offset, std::uint64_t value);
    static bool is_wide(unsigned offset);
    std::uint32_t read_global(unsigned offset) const;
    void write_global(unsigned offset, std::uint32_t value);

    // What sCR0 and sACR say about the banks.
    void set_wide_vmid(bool wide) { wide_vmid_ = wide; }
    void set_no_stalls(bool no_stalls) { no_stalls_ = no_stalls; }
    void set_cache_locked(bool locked) { cache_locked_ = locked; }
    void set_resumption(Resumption resumption) { resumption_ = std::move(resumption); }

    // A bank that has invalidations which were not synchronised.
    std::optional<unsigned> outstanding() const;
    // Everything was invalidated by other means.
    void forget_invalidations();

    // Nothing when the bank cannot be used: a fault of the configuration, bits of sGFSR.
    std::expected<Outcome, std::uint32_t> translate(unsigned index, const Request& request);
    bool interrupt(unsigned index) const;

private:
    std::uint16_t vmid(const Bank& bank) const;
    std::uint16_t vmid_for_invalidations(const Bank& bank) const;
    void change(unsigned index, unsigned offset, const char* name, bool differs);
    void set_half(unsigned index, unsigned offset, const char* name, std::uint64_t& target,
                  std::uint32_t value);
    void write_sctlr(unsigned index, std::uint32_t value);
    void check_enabled(unsigned index);
    void write_actlr(unsigned index, std::uint32_t value);
    void resume(unsigned index, std::uint32_t value);
    void write_cbar(unsigned index, std::uint32_t value);
    void invalidate(unsigned index, unsigned offset, std::uint64_t operand);
    void sync(unsigned index);

    std::expected<std::optional<Path>, std::uint32_t> path(unsigned index);
    Outcome refuse(unsigned index, const Fault& fault, const Request& request);
    Outcome refusal(unsigned index, const Bank& bank) const;

    const Features& features_;
    const Behaviour& behaviour_;
    Tlb& tlb_;
    const Voice& complain_;
    SpaceReader reader_;
    Walker walker_;
    Resumption resumption_;
    std::vector<Bank> banks_;
    bool wide_vmid_ = false;
    bool no_stalls_ = false;
    bool cache_locked_ = false;
};

}  // namespace smmu::model::mmu500
