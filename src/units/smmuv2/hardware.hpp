// SPDX-License-Identifier: Apache-2.0
// Hardware: one SMMUv2 by its registers: where each page of them lies, and the two kinds of sync.
// Everything above it speaks of streams, banks and translations.
#pragma once

#include <memory>
#include <string>

#include "base/clock.hpp"
#include "hw/wait.hpp"
#include "units/smmuv2/features.hpp"

namespace smmu::units::smmuv2 {

// A sync waits for DMA that goes on. One that has not ended by then is not going to: a device
// behind the unit hangs.
inline constexpr Nanoseconds sync_limit{1'000'000'000};

class Hardware {
public:
    Hardware(std::unique_ptr<hw::Mmio> mmio, const Features& features, std::string name,
             Clock& clock)
        : mmio_(std::move(mmio)),
          registers_(*mmio_),
          features_(features),
          name_(std::move(name)),
          clock_(clock) {}

    const Features& features() const { return features_; }
    const std::string& name() const { return name_; }
    Clock& clock() const { return clock_; }

    // The first global space.
    template <class R>
    hw::Bits<R> read() const noexcept {
        return registers_.read<R>();
    }
    template <class R>
    void write(hw::Bits<R> value) const noexcept {
        registers_.write(value);
    }
    // The SMR or S2CR of a stream group.
    template <class R>
    hw::Bits<R> read_group(unsigned group) const noexcept {
        return registers_.read<R>(4ull * group);
    }
    template <class R>
    void write_group(unsigned group, hw::Bits<R> value) const noexcept {
        registers_.write(value, 4ull * group);
    }
    // What the second global space says of a context bank.
    template <class R>
    hw::Bits<R> read_of(unsigned bank) const noexcept {
        return registers_.read<R>(second_space() + 4ull * bank);
    }
    template <class R>
    void write_of(unsigned bank, hw::Bits<R> value) const noexcept {
        registers_.write(value, second_space() + 4ull * bank);
    }
    // The page of a context bank.
    template <class R>
    hw::Bits<R> read_in(unsigned bank) const noexcept {
        return registers_.read<R>(page_of(bank));
    }
    template <class R>
    void write_in(unsigned bank, hw::Bits<R> value) const noexcept {
        registers_.write(value, page_of(bank));
    }

    bool answers() const { return read<Control>().raw() != ~std::uint32_t{0}; }
    bool translates() const { return !read<Control>().has(Control::clients_bypass); }

    // Returns when all invalidations so far, of the global registers or of a bank, hold and the DMA
    // that used what they named is over. EIO when that was not confirmed.
    Result<void> sync() noexcept;
    Result<void> sync(unsigned bank) noexcept;
    // EIO while a sync of somebody before is going on: its registers cannot be used until it ends.
    Result<void> wait_for_syncs() noexcept;

    // EIO, with what the unit reports now.
    std::unexpected<Error> not_confirmed(const std::string& what) const;

private:
    std::uint64_t second_space() const { return std::uint64_t{1} << features_.page_log2; }
    std::uint64_t page_of(unsigned bank) const {
        return std::uint64_t{features_.pages + bank} << features_.page_log2;
    }
    Result<void> wait_for_sync() noexcept;
    Result<void> wait_for_sync(unsigned bank) noexcept;

    std::unique_ptr<hw::Mmio> mmio_;
    hw::Registers registers_;
    Features features_;
    std::string name_;
    Clock& clock_;
};

}  // namespace smmu::units::smmuv2
