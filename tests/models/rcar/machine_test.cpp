// SPDX-License-Identifier: Apache-2.0
// The board around the IPMMUs: products, power, the device tree, descriptions.
#include <libfdt.h>

#include <filesystem>
#include <fstream>

#include "tests/models/rcar/bench.hpp"
#include "tests/models/rcar/model/description.hpp"

namespace smmu::model::rcar {
namespace {

class Machine : public Bench {
protected:
    static Result<MachineFacts> read(const std::string& text) {
        const std::string path = testing::TempDir() + "model_rcar_machine.json";
        std::ofstream(path) << text;
        return load_facts(path);
    }
    // Values of a property in cells.
    static std::vector<std::uint32_t> cells(const void* tree, int node, const char* name) {
        int length = 0;
        const void* const found = fdt_getprop(tree, node, name, &length);
        std::vector<std::uint32_t> values(found == nullptr ? 0 : std::size_t(length) / 4);
        if (found != nullptr) std::memcpy(values.data(), found, 4 * values.size());
        for (std::uint32_t& value : values) value = fdt32_to_cpu(value);
        return values;
    }
    // A quarantine for every micro-TLB that reads back.
    void block_all() {
        program(1, new_table());
        for (const UnitFacts& unit : machine->facts().product.units) {
            join(unit.name, 1);
            for (unsigned slot = 0; slot < (is_gen4() ? 64u : 48u); ++slot) {
                put(slot_control(unit.name, slot), 1 << 4 | 3);
                EXPECT_EQ(get(slot_control(unit.name, slot)), slot < unit.slots ? 0x11u : 0u);
            }
        }
    }
};

TEST_F(Machine, TheProductRegisterNamesTheCut) {
    for (const auto& [name, value] : {std::pair("h3-es1", 0x4f01u),
                                      {"h3-es2", 0x4f10u},
                                      {"h3-es3", 0x4f20u},
                                      {"v4h", 0x5c00u}}) {
        boot(name);
        EXPECT_EQ(get(RcarMachine::product_register), value);
    }
    EXPECT_EQ(get(0xe0000000), 0xffffffffu) << "nobody is there";
}

TEST_F(Machine, EverybodyCanBeBlocked) {
    for (const std::string_view name : {"h3-es1", "h3-es3", "v4h"}) {
        boot(name);
        block_all();
        for (const MasterFacts& master : machine->facts().product.masters)
            for (unsigned channel = 0; channel < master.slots.size(); ++channel) {
                EXPECT_FALSE(writes(master.name, memory_a, memory_a, channel)) << master.name;
                EXPECT_FALSE(reads(master.name, memory_a, memory_a, channel)) << master.name;
            }
    }
}

TEST_F(Machine, CutsDifferInWhichUnitAMasterHas) {
    for (const auto& [name, unit] : {std::pair("h3-es1", "mp1"), {"h3-es3", "mp0"}}) {
        boot(name);
        program(1, new_table());
        join(unit, 1);
        tie(unit, 3, 1);
        EXPECT_FALSE(writes("audio0", memory_a, memory_a, 3));
        boot(name);
        program(1, new_table());
        const std::string_view other = "pv0";
        join(other, 1);
        tie(other, 3, 1);
        EXPECT_TRUE(writes("audio0", memory_a, memory_a, 3));
    }
}

TEST_F(Machine, WhatHasNoPowerLosesItsRegisters) {
    boot("h3-es3");
    program(1, new_table());
    join("vp0", 1);
    tie("vp0", 0, 1);
    tie("vp0", 5, 1);
    EXPECT_FALSE(writes("fcpf0", memory_a, memory_a));
    const std::uint64_t a3vp = 0xe6180340;
    EXPECT_EQ(get(a3vp), 0x10u);
    put(a3vp + 4, 1);
    EXPECT_EQ(get(a3vp), 0x01u);
    EXPECT_EQ(get(0xe6180004), 1u << 9);
    put(0xe6180008, 1 << 9);
    EXPECT_EQ(get(0xe6180004), 0u);
    EXPECT_FALSE(writes("fcpf0", memory_a, memory_a)) << "the master has no power either";
    put(a3vp + 0xc, 1);
    EXPECT_EQ(get(a3vp), 0x10u);
    EXPECT_EQ(get(slot_control("vp0", 0)), 0u);
    EXPECT_EQ(get(context(base("vp0"), 1, 0)), 0u);
    EXPECT_TRUE(writes("fcpf0", memory_a, memory_a)) << "open again";
    EXPECT_NE(get(in_main(1, 0)), 0u) << "the main unit keeps its power";
}

TEST_F(Machine, RegistersWithoutPower) {
    MachineFacts facts;
    facts.off = {Domain::a3vc};
    boot(facts);
    EXPECT_EQ(get(0xe6180380), 0x01u);
    tie("vc0", 0, 1);
    EXPECT_EQ(get(slot_control("vc0", 0)), 0u);
    expect_complaint("vc0: its registers are written while it has no power");
    expect_complaint("vc0: its registers are read while it has no power");
    put(0xe618038c, 1);
    EXPECT_EQ(get(0xe6180380), 0x10u);
}

TEST_F(Machine, TheDeviceTreeTellsUnitsAndMasters) {
    boot("h3-es1");
    ASSERT_EQ(machine->firmware_tables().size(), 1u);
    const link::FirmwareTable& table = machine->firmware_tables()[0];
    EXPECT_EQ(table.name, "dtb");
    const void* const tree = table.bytes.data();
    ASSERT_EQ(fdt_check_full(tree, table.bytes.size()), 0);
    EXPECT_EQ(fdt_node_check_compatible(tree, 0, "renesas,r8a7795"), 0);
    const int main_node = fdt_path_offset(tree, "/soc/iommu@e67b0000");
    EXPECT_EQ(fdt_node_check_compatible(tree, main_node, "renesas,ipmmu-r8a7795"), 0);
    EXPECT_THAT(cells(tree, main_node, "interrupts"), testing::ElementsAre(0, 196, 4, 0, 197, 4));
    const std::uint32_t main_handle = fdt_get_phandle(tree, main_node);
    const int mp1 = fdt_path_offset(tree, "/soc/iommu@ec680000");
    EXPECT_THAT(cells(tree, mp1, "renesas,ipmmu-main"), testing::ElementsAre(main_handle, 5));
    EXPECT_THAT(cells(tree, mp1, "reg"), testing::ElementsAre(0, 0xec680000, 0, 0x1000));
    const int audio = fdt_path_offset(tree, "/soc/audio0@ec700000");
    const std::vector<std::uint32_t> uses = cells(tree, audio, "iommus");
    ASSERT_EQ(uses.size(), 32u);
    EXPECT_EQ(uses[30], fdt_get_phandle(tree, mp1));
    EXPECT_EQ(uses[31], 15u);
    EXPECT_LT(fdt_path_offset(tree, "/soc/usb@ee000000"), 0) << "the tree does not know it";
}

TEST_F(Machine, Gen4TellsNoBits) {
    boot("v4h");
    const void* const tree = machine->firmware_tables()[0].bytes.data();
    const int ds0 = fdt_path_offset(tree, "/soc/iommu@eed00000");
    EXPECT_EQ(fdt_node_check_compatible(tree, ds0, "renesas,rcar-gen4-ipmmu-vmsa"), 0);
    EXPECT_EQ(cells(tree, ds0, "renesas,ipmmu-main").size(), 1u);
    EXPECT_THAT(cells(tree, ds0, "reg"), testing::ElementsAre(0, 0xeed00000, 0, 0x20000));
}

TEST_F(Machine, DescriptionsSayTheBoard) {
    auto facts = read(R"({"product": "h3-es2", "device_tree": false, "off": ["a3vp", "a3ir"],
                          "flush_readings": 4, "memory_mib": 64,
                          "masters": [{"name": "gpu", "base": "0xfd000000", "unit": "pv1",
                                       "slots": [2, 3]}]})");
    ASSERT_TRUE(facts) << facts.error().text;
    EXPECT_EQ(facts->behaviour.flush_readings, 4u);
    boot(*facts);
    EXPECT_TRUE(machine->firmware_tables().empty());
    EXPECT_EQ(machine->description().ram[0].length, 64u << 20);
    EXPECT_EQ(machine->description().ram[0].base.value, RcarMachine::ram_base);
    EXPECT_FALSE(machine->unit("vp1").is_powered());
    EXPECT_EQ(get(0xfd000000), Master::identity);
    EXPECT_EQ(get(0xfd000000 + Master::channels), 2u);
    program(1, new_table());
    join("pv1", 1);
    tie("pv1", 3, 1);
    EXPECT_TRUE(writes("gpu", memory_a, memory_a, 0));
    EXPECT_FALSE(writes("gpu", memory_a, memory_a, 1));
    EXPECT_FALSE(writes("gpu", memory_a, memory_a, 2)) << "there is no such channel";
}

TEST_F(Machine, DescriptionsThatAreWrongSaySo) {
    for (
        const char* text :
        {"", "{", R"({})", R"({"product": "h4"})", R"({"product": "v4h", "uints": 1})",
         R"({"product": "v4h", "off": ["a3"]})",
         R"({"product": "v4h", "masters": [{"name": "x", "base": "1", "unit": "mp0", "slots": []}]})",
         R"({"product": "v4h", "masters": [{"name": "x", "base": "1", "unit": "ir", "slots": [8]}]})"})
        EXPECT_FALSE(read(text)) << text;
}

TEST_F(Machine, TheBoardsOfThisFolderCanBeRead) {
    unsigned boards = 0;
    for (const auto& file :
         std::filesystem::directory_iterator(SMMU_SOURCE_DIR "/tests/models/rcar/boards")) {
        ++boards;
        const auto facts = load_facts(file.path().string());
        EXPECT_TRUE(facts) << file.path();
    }
    EXPECT_EQ(boards, 5u);
}

}  // namespace
}  // namespace smmu::model::rcar
