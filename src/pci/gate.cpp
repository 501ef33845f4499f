// SPDX-License-Identifier: Apache-2.0
#include "pci/gate.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "pci/config_space.hpp"
#include "pci/function_reader.hpp"

namespace smmu::pci {
namespace {

using topology::AccessControl;
using topology::PciFunction;
using topology::PciTree;
using topology::Severity;

constexpr Nanoseconds poll_pause = std::chrono::milliseconds(10);

void finding(PciTree& tree, std::string_view id, const PciFunction& function, std::string text) {
    tree.findings.push_back({std::string(id),
                             Severity::warning,
                             {"PCI " + to_string(function.address)},
                             std::move(text)});
}

void set_access_control(platform::PciConfig& config, const PciFunction& function) {
    const AccessControl& access = function.access_control;
    if (access.offset == 0) return;
    // Direct translated and egress control open paths or need tables of their own: off.
    const auto wanted = std::uint16_t(access.supported & AccessControl::wanted);
    if (access.enabled != wanted)
        config.write(function_at(function.address), std::uint16_t(access.offset + 6), 2, wanted);
}

// Clears one enable bit of a capability, leaving its other control bits as they are.
void clear_enable(platform::PciConfig& config, const PciFunction& function, std::uint16_t control,
                  std::uint16_t enable) {
    const auto at = function_at(function.address);
    const auto dword = std::uint16_t(control & ~3u);
    const std::uint32_t value = config.read32(at, dword) >> ((control & 3u) * 8);
    config.write(at, control, 2, value & 0xffffu & ~std::uint32_t(enable));
}

void stop_translation_services(platform::PciConfig& config, const PciFunction& function) {
    // Page requests first and ATS last: the order in which they may not be on without the next
    // (PCIe Base 10.5).
    if (function.page_request.enabled)
        clear_enable(config, function, std::uint16_t(function.page_request.offset + 4), 1);
    if (function.ats.enabled)
        clear_enable(config, function, std::uint16_t(function.ats.offset + 6), 1 << 15);
    if (function.pasid.enabled)
        clear_enable(config, function, std::uint16_t(function.pasid.offset + 6), 1);
}

void report(PciTree& tree, const PciFunction& function) {
    const AccessControl& access = function.access_control;
    const auto refused = std::uint16_t(access.supported & AccessControl::wanted & ~access.enabled);
    if (refused != 0)
        finding(tree, "pci-acs-refused", function,
                fmt::format("The function says that it has access control {:#04x} but does not "
                            "keep it; its groups "
                            "are formed without.",
                            refused));
    if (function.ats.enabled || function.page_request.enabled || function.pasid.enabled)
        finding(tree, "pci-translation-service-on", function,
                "The function keeps its own address translation (ATS, PRI or PASID) on although it "
                "was told to turn "
                "it off; it may pass the unit with addresses that it translated before.");
}

std::array<std::uint32_t, 64> header_of(platform::PciConfig& config,
                                        platform::PciFunction function) {
    std::array<std::uint32_t, 64> header{};
    config.read(function, 0, header);
    return header;
}

// Which register resets the function, which bit does, and where outstanding requests show.
struct ResetRegister {
    std::uint16_t control = 0;
    unsigned bytes = 0;
    std::uint32_t bit = 0;
    std::uint16_t status_dword = 0;
    std::uint32_t pending = 0;
};

ResetRegister reset_register(const std::array<std::uint32_t, 64>& header) {
    ResetRegister by_features, by_express;
    for_each_capability(
        std::span<const std::uint32_t, 64>(header), [&](std::uint8_t id, std::uint16_t where) {
            if (Capability(id) == Capability::pcie && where + 8u < 256 &&
                (header[where / 4u + 1] & (1u << 28)) != 0) {
                const auto control = std::uint16_t(where + 8);
                by_express = {control, 2, (header[control / 4u] & 0xffff) | 1u << 15, control,
                              1u << 21};
            }
            if (Capability(id) == Capability::advanced_features && where + 4u < 256 &&
                (header[where / 4u] & (1u << 25)) != 0) {
                const auto control = std::uint16_t(where + 4);
                by_features = {control, 1, 1, control, 1u << 8};
            }
        });
    return by_express.bytes != 0 ? by_express : by_features;
}

}  // namespace

void gate(platform::PciConfig& config, PciTree& tree) {
    for (PciFunction& function : tree.functions) {
        read_back(config, function);
        set_access_control(config, function);
        stop_translation_services(config, function);
        read_back(config, function);
        report(tree, function);
    }
    tree.gated = true;
}

bool bus_master_off(platform::PciConfig& config, const topology::PciAddress& address) {
    const auto at = function_at(address);
    const std::uint32_t before = config.read32(at, offset::command);
    if (before == absent) return true;  // it is gone and issues nothing
    // Two bytes only: the status half is write one to clear.
    if ((before & command::bus_master) != 0)
        config.write(at, offset::command, 2, before & 0xffffu & ~command::bus_master);
    const std::uint32_t after = config.read32(at, offset::command);
    return after == absent || (after & command::bus_master) == 0;
}

Result<> function_reset(platform::PciConfig& config, Clock& clock,
                        const topology::PciAddress& address) {
    const auto at = function_at(address);
    const auto header = header_of(config, at);
    if (header[0] == absent)
        return fail(ENXIO, fmt::format("{}: nothing answers, so there is nothing to reset",
                                       to_string(address)));
    const ResetRegister reset = reset_register(header);
    if (reset.bytes == 0)
        return fail(
            ENOTSUP,
            fmt::format(
                "{}: the function has no reset of its own; remove its power or leave it blocked",
                to_string(address)));
    bus_master_off(config, address);
    // Requests that are under way should end before the reset; one that never ends must not hold
    // us.
    const Instant pending_end = clock.now() + pending_deadline;
    while ((config.read32(at, reset.status_dword) & reset.pending) != 0 &&
           clock.now() < pending_end)
        clock.pause(poll_pause);
    config.write(at, reset.control, reset.bytes, reset.bit);
    const Instant end = clock.now() + reset_deadline;
    clock.pause(reset_time);
    // The id reads as all ones, or as vendor 1 (configuration retry), until the function is ready.
    for (;;) {
        const std::uint32_t id = config.read32(at, offset::id);
        if (id != absent && std::uint16_t(id) != 0x0001) break;
        if (clock.now() >= end)
            return fail(
                ETIMEDOUT,
                fmt::format(
                    "{}: the function did not answer {} ms after its reset; it stays blocked",
                    to_string(address),
                    std::chrono::duration_cast<std::chrono::milliseconds>(reset_deadline).count()));
        clock.pause(poll_pause);
    }
    // A reset clears the command register; read back, since rule one is that nothing opens by
    // itself.
    if (!bus_master_off(config, address))
        return fail(
            EIO,
            fmt::format(
                "{}: bus mastering cannot be turned off after the reset; leave the device blocked",
                to_string(address)));
    return {};
}

}  // namespace smmu::pci
