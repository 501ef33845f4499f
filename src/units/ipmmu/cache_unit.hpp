// SPDX-License-Identifier: Apache-2.0
// CacheUnit: one cache IPMMU by its registers: which contexts it knows, and its micro-TLBs, each off (its master reaches all
// memory) or tied to a context.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "units/ipmmu/product.hpp"
#include "units/ipmmu/registers.hpp"

namespace smmu::units::ipmmu {

class CacheUnit {
public:
    // `described`: the board's description names it; else it is known from the product alone.
    CacheUnit(std::unique_ptr<hw::Mmio> mmio, const Product& product, const KnownCache& known, std::string name, bool described)
        : mmio_(std::move(mmio)), registers_(*mmio_), product_(&product), known_(&known), name_(std::move(name)),
          described_(described), ties_(product.places.slots()), exists_(product.places.slots()) {}

    const std::string& name() const { return name_; }
    const KnownCache& known() const { return *known_; }
    bool described() const { return described_; }
    unsigned slots() const { return static_cast<unsigned>(ties_.size()); }

    // What has to be right before a micro-TLB is on: IMSCTLR. EIO when the unit does not take it.
    Result<void> prepare() noexcept;
    // The context, enabled in the main unit, is enabled here too, and forgotten.
    void join(unsigned context) noexcept;
    bool has_joined(unsigned context) const { return (joined_ >> context & 1) != 0; }
    // Forgets the context; over when the main unit's flush is.
    void flush(unsigned context) noexcept { join(context); }
    // No micro-TLB here may be tied to it.
    void leave(unsigned context) noexcept;
    bool is_enabled(unsigned context) const {
        return registers_.read<ContextControl>(places().context(context)).has(ContextControl::enabled);
    }

    enum class Tied { yes, absent, refused };
    // By one write the micro-TLB leaves its context, or being off, for this one, which has been joined. absent: nothing reads
    // back, there is no such micro-TLB. refused: there is one, and it did not take it.
    Tied tie(unsigned slot, unsigned context) noexcept;
    // Opens it: its master reaches all memory.
    void untie(unsigned slot) noexcept;
    // The context that it was tied to; nothing: it does not exist, or was not tied yet.
    std::optional<unsigned> tied(unsigned slot) const { return ties_[slot]; }

    // What micro-TLBs are tied to is anybody's guess before it is written again. Contexts that are enabled here, by whomever, are
    // to be flushed here.
    void begin_anew(bool has_power);

    // What the unit says now.
    struct Slot {
        bool on;
        unsigned context;
    };
    Slot look(unsigned slot) const;
    // What is not as it was written, for a person; empty: nothing.
    std::string difference() const;

private:
    const Places& places() const { return product_->places; }

    std::unique_ptr<hw::Mmio> mmio_;
    hw::Registers registers_;
    const Product* product_;
    const KnownCache* known_;
    std::string name_;
    bool described_;
    std::uint32_t joined_ = 0;  // bit: context
    std::vector<std::optional<unsigned>> ties_;
    std::vector<bool> exists_;  // read back once
};

}  // namespace smmu::units::ipmmu
