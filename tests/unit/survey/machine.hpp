// SPDX-License-Identifier: Apache-2.0
// Machine: a PCI tree and a DMAR table made by hand, for surveys.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "config/parse.hpp"
#include "survey/survey.hpp"
#include "tests/unit/firmware/acpi_bytes.hpp"

namespace smmu::test {

using topology::PciAddress;
using topology::PcieType;

// What a configuration file says.
inline config::Configuration read(const std::string& text) {
    const std::vector<std::string> words{"@pasted.smmu"};
    const auto parsed = config::parse(words, [&](const std::string&) -> Result<std::string> { return text; }, config::Edition::plain);
    for (const config::ConfigError& error : parsed.errors) ADD_FAILURE() << error.line() << "\nin\n" << text;
    return parsed.configuration;
}

// Bytes of a DMAR table, structure by structure.
class DmarBytes : public AcpiBytes {
public:
    struct Scope {
        unsigned type;
        unsigned start_bus;
        std::vector<std::pair<unsigned, unsigned>> path;
        unsigned enumeration_id = 0;
    };

    DmarBytes() : AcpiBytes("DMAR", 48) {
        bytes_[36] = std::byte{47};  // the highest address bit
        bytes_[37] = std::byte{1};   // interrupts can be remapped
    }
    DmarBytes& drhd(std::uint64_t base, bool include_all, std::vector<Scope> scopes,
                    unsigned segment = 0) {
        return structure(0, scopes, [&] {
            number(include_all, 1);
            number(0, 1);
            number(segment, 2);
            number(base, 8);
        });
    }
    DmarBytes& rmrr(std::uint64_t first, std::uint64_t last, std::vector<Scope> scopes) {
        return structure(1, scopes, [&] {
            number(0, 4);
            number(first, 8);
            number(last, 8);
        });
    }
    DmarBytes& andd(unsigned device_number, const std::string& path) {
        return structure(4, {}, [&] {
            number(0, 3);
            number(device_number, 1);
            text(path);
            number(0, 1);
        });
    }
private:
    template <class Body>
    DmarBytes& structure(unsigned type, const std::vector<Scope>& scopes, Body body) {
        const std::size_t start = bytes_.size();
        number(type, 2);
        number(0, 2);
        body();
        for (const Scope& scope : scopes) {
            number(scope.type, 1);
            number(6 + 2 * scope.path.size(), 1);
            number(0, 2);
            number(scope.enumeration_id, 1);
            number(scope.start_bus, 1);
            for (const auto& [device, function] : scope.path) {
                number(device, 1);
                number(function, 1);
            }
        }
        bytes_[start + 2] = std::byte(bytes_.size() - start);
        bytes_[start + 3] = std::byte((bytes_.size() - start) >> 8);
        return *this;
    }
};

struct Machine {
    topology::PciTree pci;
    DmarBytes dmar;
    std::vector<std::byte> mcfg;
    std::vector<std::byte> device_tree;
    bool has_dmar = true;
    std::vector<PhysRange> ram{{PhysAddr{0}, PhysAddr{0x7fffffff}}};
    std::vector<PhysRange> table_memory;
    std::vector<survey::RegisterWindow> register_windows;
    std::vector<PhysAddr> silent_units;

    Machine() { pci.gated = true; }

    topology::PciFunction& add(PciAddress address, PcieType type = PcieType::endpoint) {
        topology::PciFunction function;
        function.address = address;
        function.vendor = 0x1234;
        function.device = 0x11e8;
        function.class_code = 0x00ff00;
        function.type = type;
        pci.functions.push_back(function);
        std::ranges::sort(pci.functions, {}, &topology::PciFunction::address);
        return *std::ranges::find(pci.functions, address, &topology::PciFunction::address);
    }
    topology::PciFunction& add_bridge(PciAddress address, PcieType type, std::uint8_t secondary,
                                      std::uint8_t subordinate, bool isolating = true) {
        topology::PciFunction& bridge = add(address, type);
        bridge.is_bridge = true;
        bridge.class_code = 0x060400;
        bridge.secondary = secondary;
        bridge.subordinate = subordinate;
        if (isolating) bridge.access_control = {0x100, 0x1f, 0x1f};
        return bridge;
    }

    // Surveys with these words of configuration.
    topology::Topology survey(const std::string& words = "smmu vtd") {
        const std::vector<std::string> arguments{words};
        const auto no_files = [](const std::string&) -> Result<std::string> {
            return fail(ENOENT, "no file");
        };
        const auto parsed = config::parse(arguments, no_files, config::Edition::plain);
        for (const auto& error : parsed.errors) ADD_FAILURE() << error.line();
        const auto bytes = dmar.table();
        std::vector<survey::Table> tables;
        if (has_dmar) tables.push_back({"DMAR", bytes});
        if (!device_tree.empty()) tables.push_back({"dtb", device_tree});
        if (!mcfg.empty()) tables.push_back({"MCFG", mcfg});
        return survey::survey(
            {tables, pci, parsed.configuration, ram, table_memory, register_windows, silent_units});
    }
};

inline const topology::Device* device_of(const topology::Topology& topology,
                                         const topology::DeviceId& id) {
    const auto at = std::ranges::find(topology.devices, id, &topology::Device::id);
    return at != topology.devices.end() ? &*at : nullptr;
}

// "0:18 0:100": unit and id of each stream, in hexadecimal.
inline std::string streams_of(const topology::Topology& topology, const topology::DeviceId& id) {
    const topology::Device* device = device_of(topology, id);
    if (device == nullptr) return "not listed";
    std::string text;
    for (const topology::Stream& stream : device->streams) {
        char buffer[32];
        std::snprintf(buffer, sizeof buffer, "%s%x:%x", text.empty() ? "" : " ", raw(stream.unit),
                      raw(stream.id));
        text += buffer;
    }
    return text;
}

inline bool same_group(const topology::Topology& topology, const PciAddress& a,
                       const PciAddress& b) {
    return device_of(topology, a)->group == device_of(topology, b)->group;
}

inline const topology::Finding* finding_of(const topology::Topology& topology,
                                           std::string_view id) {
    const auto at = std::ranges::find(topology.findings, id, &topology::Finding::id);
    return at != topology.findings.end() ? &*at : nullptr;
}

}  // namespace smmu::test
