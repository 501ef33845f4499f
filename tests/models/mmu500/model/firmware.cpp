// SPDX-License-Identifier: Apache-2.0
// The device tree. The IORT: iort.cpp.
#include "tests/models/mmu500/model/firmware.hpp"

#include <fmt/format.h>
#include <libfdt.h>

#include <initializer_list>
#include <map>
#include <stdexcept>
#include <string>

namespace smmu::model::mmu500 {
namespace {

constexpr std::uint32_t gic = 1, first_smmu = 2;  // phandles
constexpr std::uint32_t shared_interrupt = 0, level_high = 4;
constexpr std::uint32_t interrupts_of_a_unit = 256;
constexpr std::uint64_t gic_base = 0xf9010000;
constexpr std::uint64_t tree_bytes = 64 << 10;

// A tree in the order in which it is written.
class Tree {
public:
    Tree() : bytes_(tree_bytes) {
        check(fdt_create(bytes_.data(), int(bytes_.size())));
        check(fdt_finish_reservemap(bytes_.data()));
    }
    void begin(const std::string& name) { check(fdt_begin_node(bytes_.data(), name.c_str())); }
    void end() { check(fdt_end_node(bytes_.data())); }
    // Several strings lie one after the other, each with its end.
    void text(const char* name, std::initializer_list<std::string_view> strings) {
        std::string all;
        for (const std::string_view string : strings) all.append(string).push_back('\0');
        check(fdt_property(bytes_.data(), name, all.data(), int(all.size())));
    }
    void cells(const char* name, const std::vector<std::uint32_t>& values) {
        std::vector<fdt32_t> cells;
        for (const std::uint32_t value : values) cells.push_back(cpu_to_fdt32(value));
        check(fdt_property(bytes_.data(), name, cells.data(), int(cells.size() * 4)));
    }
    void flag(const char* name) { check(fdt_property(bytes_.data(), name, nullptr, 0)); }
    void reg(std::uint64_t base, std::uint64_t bytes) {
        cells("reg", {std::uint32_t(base >> 32), std::uint32_t(base), std::uint32_t(bytes >> 32),
                      std::uint32_t(bytes)});
    }
    std::vector<std::byte> finish() {
        check(fdt_finish(bytes_.data()));
        const void* const tree = bytes_.data();
        bytes_.resize(fdt_totalsize(tree));
        return std::move(bytes_);
    }

private:
    static void check(int error) {
        if (error != 0) throw std::runtime_error(fdt_strerror(error));
    }
    std::vector<std::byte> bytes_;
};

void add_unit(Tree& tree, const UnitFacts& unit, std::uint32_t index) {
    const Features& features = unit.features;
    tree.begin(fmt::format("iommu@{:x}", unit.base));
    tree.text("compatible", {"arm,mmu-500"});
    tree.reg(unit.base, features.window_bytes());
    tree.cells("#global-interrupts", {1});
    tree.cells("#iommu-cells", {1});
    std::vector<std::uint32_t> interrupts;
    for (std::uint32_t i = 0; i < 1 + features.banks; ++i)
        interrupts.insert(interrupts.end(),
                          {shared_interrupt, index * interrupts_of_a_unit + i, level_high});
    tree.cells("interrupts", interrupts);
    if (features.coherent) tree.flag("dma-coherent");
    tree.cells("phandle", {first_smmu + index});
    tree.end();
}

void add_engine(Tree& tree, const EngineFacts& engine) {
    tree.begin(fmt::format("dma@{:x}", engine.base));
    tree.text("compatible", {"smmuman,model-dma"});
    tree.reg(engine.base, 0x100000);
    std::vector<std::uint32_t> iommus;
    for (const std::uint16_t stream : engine.streams)
        iommus.insert(iommus.end(), {first_smmu + std::uint32_t(engine.unit), stream});
    tree.cells("iommus", iommus);
    tree.flag("dma-coherent");
    tree.end();
}

}  // namespace

link::FirmwareTable device_tree(const MachineFacts& facts) {
    Tree tree;
    tree.begin("");
    tree.text("compatible", {"smmuman,model-mmu500"});
    tree.text("model", {"smmuman model of MMU-500"});
    tree.cells("#address-cells", {2});
    tree.cells("#size-cells", {2});
    tree.cells("interrupt-parent", {gic});
    tree.begin(fmt::format("memory@{:x}", MachineFacts::ram_base));
    tree.text("device_type", {"memory"});
    tree.reg(MachineFacts::ram_base, facts.memory_mib << 20);
    tree.end();
    tree.begin(fmt::format("interrupt-controller@{:x}", gic_base));
    tree.text("compatible", {"arm,gic-400"});
    tree.reg(gic_base, 0x10000);
    tree.flag("interrupt-controller");
    tree.cells("#interrupt-cells", {3});
    tree.cells("phandle", {gic});
    tree.end();
    for (std::size_t i = 0; i < facts.units.size(); ++i)
        add_unit(tree, facts.units[i], std::uint32_t(i));
    for (const EngineFacts& engine : facts.engines) add_engine(tree, engine);
    tree.end();
    const std::uint64_t top = MachineFacts::ram_base + (facts.memory_mib << 20);
    return {"dtb", top - tree_bytes, tree.finish()};
}

std::vector<link::FirmwareTable> firmware_tables(const MachineFacts& facts) {
    return {facts.firmware == Firmware::iort ? iort(facts) : device_tree(facts)};
}

}  // namespace smmu::model::mmu500
