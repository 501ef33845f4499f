// SPDX-License-Identifier: Apache-2.0
#include "pci/gate.hpp"

#include <fmt/format.h>

#include "pci/config_space.hpp"
#include "pci/function_reader.hpp"

namespace smmu::pci {
namespace {

using topology::AccessControl;
using topology::PciFunction;
using topology::PciTree;
using topology::Severity;

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

}  // namespace

void gate(platform::PciConfig& config, PciTree& tree) {
    read_back(config, tree.functions);
    for (const PciFunction& function : tree.functions) {
        set_access_control(config, function);
        stop_translation_services(config, function);
    }
    read_back(config, tree.functions);
    for (const PciFunction& function : tree.functions) report(tree, function);
    tree.gated = true;
}

std::vector<std::string> put_gate_back(platform::PciConfig& config, const PciTree& tree) {
    std::vector<PciFunction> now = tree.functions;
    read_back(config, now);
    const auto holds = [](const PciFunction& was, const PciFunction& is) {
        return was.access_control.enabled == is.access_control.enabled && was.ats.enabled == is.ats.enabled &&
               was.page_request.enabled == is.page_request.enabled && was.pasid.enabled == is.pasid.enabled;
    };
    std::vector<std::string> changes;
    for (std::size_t i = 0; i < now.size(); ++i) {
        if (holds(tree.functions[i], now[i]) || !is_itself(config, now[i])) continue;
        set_access_control(config, now[i]);
        stop_translation_services(config, now[i]);
        read_back(config, std::span(&now[i], 1));
        changes.push_back(fmt::format("PCI {}: its access control or translation services were changed behind the service's "
                                      "back; {}", to_string(now[i].address),
                                      holds(tree.functions[i], now[i]) ? "they were put back" : "they CANNOT be put back"));
    }
    return changes;
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

}  // namespace smmu::pci
