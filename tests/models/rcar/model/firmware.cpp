// SPDX-License-Identifier: Apache-2.0
#include "tests/models/rcar/model/firmware.hpp"

#include <fmt/format.h>
#include <libfdt.h>

#include <cstring>
#include <initializer_list>
#include <map>
#include <stdexcept>
#include <string>

#include "tests/models/rcar/model/machine.hpp"

namespace smmu::model::rcar {
namespace {

constexpr std::size_t most_bytes = 64 << 10;

// Writes one node after the other.
class Tree {
public:
    Tree() : bytes_(most_bytes) {
        check(fdt_create(bytes_.data(), int(bytes_.size())));
        check(fdt_finish_reservemap(bytes_.data()));
    }
    void begin(const std::string& name) { check(fdt_begin_node(bytes_.data(), name.c_str())); }
    void end() { check(fdt_end_node(bytes_.data())); }
    void cells(const char* name, const std::vector<std::uint32_t>& values) {
        std::vector<std::uint32_t> swapped;
        for (const std::uint32_t value : values) swapped.push_back(cpu_to_fdt32(value));
        check(fdt_property(bytes_.data(), name, swapped.data(), int(4 * swapped.size())));
    }
    // Addresses and lengths of two cells each.
    void registers(std::uint64_t base, std::uint64_t length) {
        cells("reg", {std::uint32_t(base >> 32), std::uint32_t(base), std::uint32_t(length >> 32),
                      std::uint32_t(length)});
    }
    void strings(const char* name, std::initializer_list<std::string> values) {
        std::string all;
        for (const std::string& value : values) all += value + '\0';
        check(fdt_property(bytes_.data(), name, all.data(), int(all.size())));
    }
    void flag(const char* name) { check(fdt_property(bytes_.data(), name, nullptr, 0)); }
    std::vector<std::byte> finish() {
        check(fdt_finish(bytes_.data()));
        fdt_header header{};
        std::memcpy(&header, bytes_.data(), sizeof header);
        bytes_.resize(fdt32_to_cpu(header.totalsize));
        return std::move(bytes_);
    }

private:
    static void check(int error) {
        if (error < 0)
            throw std::runtime_error(fmt::format("device tree: {}", fdt_strerror(error)));
    }
    std::vector<std::byte> bytes_;
};

constexpr std::uint32_t interrupts_handle = 1, power_handle = 2, main_handle = 3, first_unit = 4;

std::uint32_t domain_number(Domain domain) {
    switch (domain) {
        case Domain::a3vp:
            return 9;
        case Domain::a3vc:
            return 14;
        case Domain::a3ir:
            return 24;
        default:
            return 32;  // always on
    }
}

void add_memory(Tree& tree, const MachineFacts& facts) {
    tree.begin(fmt::format("memory@{:x}", RcarMachine::ram_base));
    tree.strings("device_type", {"memory"});
    tree.registers(RcarMachine::ram_base, facts.memory_mib << 20);
    tree.end();
}

void add_controllers(Tree& tree, const Product& product) {
    tree.begin("interrupt-controller@f1010000");
    tree.strings("compatible", {"arm,gic-400"});
    tree.registers(0xf1010000, 0x1000);
    tree.cells("#interrupt-cells", {3});
    tree.flag("interrupt-controller");
    tree.cells("phandle", {interrupts_handle});
    tree.end();
    tree.begin(fmt::format("system-controller@{:x}", Power::base));
    tree.strings("compatible", {fmt::format("renesas,{}-sysc", product.soc)});
    tree.registers(Power::base, Power::window_bytes);
    tree.cells("#power-domain-cells", {1});
    tree.cells("phandle", {power_handle});
    tree.end();
    tree.begin("chipid@fff00044");
    tree.strings("compatible", {"renesas,prr"});
    tree.registers(RcarMachine::product_register, 4);
    tree.end();
}

void begin_unit(Tree& tree, const Product& product, std::uint64_t base, std::uint32_t handle) {
    const std::string own = "renesas,ipmmu-" + product.soc;
    tree.begin(fmt::format("iommu@{:x}", base));
    if (product.generation == 4)
        tree.strings("compatible", {own, "renesas,rcar-gen4-ipmmu-vmsa"});
    else
        tree.strings("compatible", {own});
    tree.registers(base, product.window_bytes());
    tree.cells("#iommu-cells", {1});
    tree.cells("phandle", {handle});
}

void add_units(Tree& tree, const Product& product) {
    begin_unit(tree, product, product.main_base, main_handle);
    tree.strings("label", {"mm"});
    tree.cells("interrupt-parent", {interrupts_handle});
    tree.cells("interrupts", {0, product.interrupt, 4, 0, product.interrupt + 1, 4});
    tree.end();
    std::uint32_t handle = first_unit;
    for (const UnitFacts& unit : product.units) {
        begin_unit(tree, product, unit.base, handle++);
        tree.strings("label", {unit.name});
        if (unit.bit)
            tree.cells("renesas,ipmmu-main", {main_handle, *unit.bit});
        else
            tree.cells("renesas,ipmmu-main", {main_handle});
        tree.cells("power-domains", {power_handle, domain_number(unit.domain)});
        tree.end();
    }
}

void add_masters(Tree& tree, const Product& product) {
    std::map<std::string, std::uint32_t> handles;
    std::uint32_t handle = first_unit;
    for (const UnitFacts& unit : product.units) handles[unit.name] = handle++;
    for (const MasterFacts& master : product.masters) {
        if (master.compatible.empty()) continue;
        tree.begin(fmt::format("{}@{:x}", master.name, master.base));
        tree.strings("compatible", {master.compatible});
        tree.registers(master.base, Master::window_bytes);
        std::vector<std::uint32_t> uses;
        for (const unsigned slot : master.slots)
            uses.insert(uses.end(), {handles[master.unit], slot});
        tree.cells("iommus", uses);
        tree.end();
    }
}

}  // namespace

std::vector<link::FirmwareTable> firmware_tables(const MachineFacts& facts) {
    if (!facts.has_device_tree) return {};
    Tree tree;
    tree.begin("");
    tree.strings("model", {"smmuman model of " + facts.product.name});
    tree.strings("compatible", {"renesas,salvator-x", "renesas," + facts.product.soc});
    tree.cells("#address-cells", {2});
    tree.cells("#size-cells", {2});
    add_memory(tree, facts);
    tree.begin("soc");
    tree.strings("compatible", {"simple-bus"});
    tree.cells("#address-cells", {2});
    tree.cells("#size-cells", {2});
    tree.flag("ranges");
    add_controllers(tree, facts.product);
    add_units(tree, facts.product);
    add_masters(tree, facts.product);
    tree.end();
    tree.end();
    return {{.name = "dtb", .address = 0, .bytes = tree.finish()}};
}

}  // namespace smmu::model::rcar
