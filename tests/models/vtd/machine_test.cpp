// SPDX-License-Identifier: Apache-2.0
// The machine around the units: whose requests go where, what firmware says, descriptions.
#include <fstream>

#include "firmware/dmar.hpp"
#include "firmware/mcfg.hpp"
#include "tests/models/vtd/bench.hpp"
#include "tests/models/vtd/model/description.hpp"

namespace smmu::model::vtd {
namespace {

class Machine : public Bench {
protected:
    static Result<MachineFacts> read(const std::string& text) {
        const std::string path = testing::TempDir() + "model_vtd_machine.json";
        std::ofstream(path) << text;
        return load_facts(path);
    }
    // Translation on, with an empty root table: everything is refused.
    void block(std::size_t index) {
        unit(index).write(reg::rtaddr, 8, root_table);
        unit(index).write(reg::gcmd, 4, gcmd::set_root);
        unit(index).write(reg::ccmd, 8, 1ull << 63 | 1ull << 61);
        unit(index).write(0xf8, 8, 1ull << 63 | 1ull << 60);
        unit(index).write(reg::gcmd, 4, gcmd::translation);
    }
};

TEST_F(Machine, EachUnitHasItsDevices) {
    auto facts = read(R"({"units": [{"scopes": ["0:3.0", "below 0:8.0"]},
                                    {"base": "0xfed91000", "takes_all": true}]})");
    ASSERT_TRUE(facts) << facts.error().text;
    boot(*facts);
    block(0);
    EXPECT_FALSE(writes(a(), memory_a, memory_a));
    EXPECT_FALSE(writes(ats(), memory_a, memory_a));
    EXPECT_TRUE(writes(b(), memory_a, memory_a));
    EXPECT_TRUE(writes(machine->device(2, 1), memory_a, memory_a));
    block(1);
    EXPECT_FALSE(writes(b(), memory_a, memory_a));
    EXPECT_FALSE(writes(machine->device(2, 1), memory_a, memory_a));
}

TEST_F(Machine, UnitsOfOtherSegments) {
    auto facts = read(R"({"units": [{"takes_all": true},
                                    {"base": "0xfed91000", "segment": 1, "takes_all": true}],
                          "functions": [{"at": "0:3.0", "kind": "edu"},
                                        {"at": "0:3.0", "kind": "edu", "segment": 1}]})");
    ASSERT_TRUE(facts) << facts.error().text;
    boot(*facts);
    const PhysAddr command{config_base(1) + (id_a << 12) + 4};
    perform(link::Operation::write(command, 2, 6));
    block(1);
    EXPECT_TRUE(writes(a(), memory_a, memory_a));
    EXPECT_FALSE(writes(machine->device(0, 3, 1), memory_a, memory_a));
    const auto mcfg = firmware::parse_mcfg(machine->firmware_tables()[1].bytes);
    ASSERT_TRUE(mcfg);
    ASSERT_EQ(mcfg->windows.size(), 2u);
    EXPECT_EQ(mcfg->windows[1].base.value, config_base(1));
}

TEST_F(Machine, FirmwareSaysWhatThereIs) {
    auto facts = read(R"({"host_bits": 46,
                          "units": [{"scopes": ["0:4.0", "0:5.0/0.0"],
                                     "features": {"device_tlb": true}},
                                    {"base": "0xfed91000", "takes_all": true}],
                          "reserved": [{"first": "0x700000", "last": "0x7fffff",
                                        "scopes": ["0:4.0"]}]})");
    ASSERT_TRUE(facts) << facts.error().text;
    boot(*facts);
    const auto dmar = firmware::parse_dmar(machine->firmware_tables()[0].bytes);
    ASSERT_TRUE(dmar) << dmar.error().text;
    EXPECT_TRUE(dmar->findings.empty());
    EXPECT_EQ(dmar->host_address_width, 46u);
    ASSERT_EQ(dmar->units.size(), 2u);
    EXPECT_FALSE(dmar->units[0].include_all);
    EXPECT_EQ(dmar->units[0].scopes[1].path.size(), 2u);
    EXPECT_TRUE(dmar->units[1].include_all);
    EXPECT_EQ(dmar->units[1].registers.first.value, 0xfed91000u);
    ASSERT_EQ(dmar->reserved.size(), 1u);
    EXPECT_EQ(dmar->reserved[0].range.last.value, 0x7fffffu);
    EXPECT_EQ(dmar->root_ports.size(), 1u);
}

TEST_F(Machine, DescriptionsThatAreWrongSaySo) {
    for (const char* text :
         {"", "{", R"({})", R"({"units": [], "unit": 1})",
          R"({"units": [{"features": {"nosuch": 1}}]})", R"({"units": [{"scopes": ["here"]}]})",
          R"({"units": [], "functions": [{"at": "0:1.0", "kind": "cat"}]})"})
        EXPECT_FALSE(read(text)) << text;
}

TEST_F(Machine, TheRegistersOfFunctionsCanBeMoved) {
    boot(Features{});
    const PhysAddr bar{config_base(0) + (id_a << 12) + 0x10};
    const std::uint64_t before = perform(link::Operation::read(bar, 4));
    perform(link::Operation::write(bar, 4, 0xffffffff));
    EXPECT_EQ(perform(link::Operation::read(bar, 4)), 0xfff00000u);
    perform(link::Operation::write(bar, 4, before + (16u << 20)));
    EXPECT_EQ(perform(link::Operation::read({before}, 4)), 0xffffffffu);
    EXPECT_EQ(perform(link::Operation::read({before + (16u << 20)}, 4)), 0x010000edu);
    perform(link::Operation::port_out(0xcf8, 4, 0x80000000 | id_a << 8));
    EXPECT_EQ(perform(link::Operation::port_in(0xcfc, 4)), 0x11e81234u);
}

TEST_F(Machine, AResetTakesWhatWasSet) {
    boot(Features{});
    config(id_ats, 0x104, 4, 1u << 31);
    EXPECT_TRUE(ats().function().translates());
    config(id_ats, 0x68, 2, 1 << 15);
    EXPECT_FALSE(ats().function().translates());
    EXPECT_FALSE(ats().function().bus_master());
    EXPECT_EQ(ats().function().registers(), 0u);
}

TEST_F(Machine, InterruptsAreMessages) {
    boot(Features{});
    config(id_a, 0x44, 4, 0xfee00000);
    config(id_a, 0x42, 2, 1);
    a().write(0x60, 4, 1);
    EXPECT_EQ(a().read(0xd0, 8), 1u);
}

}  // namespace
}  // namespace smmu::model::vtd
