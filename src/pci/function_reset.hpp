// SPDX-License-Identifier: Apache-2.0
// FunctionReset: one reset of one PCI function, in steps that never wait, so that whoever has other
// things to do can do them meanwhile. What the function needs to be found again (addresses, command)
// is put back and read back; bus mastering is not.
#pragma once

#include <optional>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "platform/platform.hpp"
#include "topology/device_id.hpp"

namespace smmu::pci {

// How long a function may take for a reset (PCIe Base 6.6.2: 100 ms until it must answer again),
// with room for slow ones; and how long outstanding requests may keep a reset waiting.
inline constexpr Nanoseconds reset_time = std::chrono::milliseconds(100);
inline constexpr Nanoseconds reset_deadline = std::chrono::seconds(2);
inline constexpr Nanoseconds pending_deadline = std::chrono::milliseconds(800);

class FunctionReset {
public:
    // Touches nothing yet.
    FunctionReset(platform::PciConfig& config, const topology::PciAddress& address)
        : config_(config), address_(address) {}

    // Does what can be done at `now`, by the PCI Express capability, else by Advanced Features. The
    // outcome once it is over. ENOTSUP: it has neither. ENXIO: nothing answers. ETIMEDOUT: it did
    // not come back. EIO: it does not keep what it held before.
    std::optional<Result<void>> advance(Instant now);
    // The function was told to reset, and what it held is not put back yet.
    bool initiated() const { return stage_ == Stage::resetting; }

private:
    // Which register resets the function, with which value, and where outstanding requests show.
    struct ResetRegister {
        std::uint16_t control = 0;
        unsigned bytes = 0;
        std::uint32_t value = 0;
        std::uint32_t pending = 0;  // in the dword of `control`
    };
    struct Saved {
        std::uint16_t offset;
        unsigned bytes;
        std::uint32_t value;
    };
    using Header = std::span<const std::uint32_t, 64>;

    static ResetRegister reset_register(Header header);
    Result<void> prepare(Instant now);
    void save(Header header);
    void initiate(Instant now);
    bool answers() const;
    Result<void> restore();

    platform::PciConfig& config_;
    topology::PciAddress address_;
    enum class Stage { untouched, pending, resetting } stage_ = Stage::untouched;
    ResetRegister register_;
    std::vector<Saved> saved_;  // in the order in which it is put back
    Instant ready_{};           // not looked at before
    Instant end_{};             // of the stage
};

}  // namespace smmu::pci
