// SPDX-License-Identifier: Apache-2.0
// Device ids in every notation, and what is said about wrong ones.
#include "topology/device_id.hpp"

#include <gtest/gtest.h>

#include "topology/number.hpp"
#include "topology/pci_tree.hpp"
#include "topology/topology.hpp"

namespace smmu::topology {
namespace {

DeviceId good(std::string_view text) {
    const auto parsed = parse_device_id(text);
    const auto* id = std::get_if<DeviceId>(&parsed);
    EXPECT_NE(id, nullptr) << text << ": " << (id ? "" : std::get<DeviceIdError>(parsed).text);
    return id != nullptr ? *id : DeviceId{};
}

std::string bad(std::string_view text) {
    const auto parsed = parse_device_id(text);
    const auto* error = std::get_if<DeviceIdError>(&parsed);
    EXPECT_NE(error, nullptr) << text;
    return error != nullptr ? error->text : std::string();
}

TEST(DeviceId, ReadsEveryNotation) {
    EXPECT_EQ(good("pci:0:18.0"), DeviceId(PciAddress{0, 0, 18, 0}));
    EXPECT_EQ(good("pci:59:1.7"), DeviceId(PciAddress{0, 59, 1, 7}));
    EXPECT_EQ(good("pci:2:255:31.7"), DeviceId(PciAddress{2, 255, 31, 7}));
    EXPECT_EQ(good("pci:65535:0:0.0"), DeviceId(PciAddress{65535, 0, 0, 0}));
    EXPECT_EQ(good("0000:3b:00.0"), DeviceId(PciAddress{0, 0x3b, 0, 0}));
    EXPECT_EQ(good("abCD:ff:1f.7"), DeviceId(PciAddress{0xabcd, 0xff, 0x1f, 7}));
    EXPECT_EQ(good("mem:0xE6EF0000"), DeviceId(MmioBlock{PhysAddr{0xe6ef0000}, 0}));
    EXPECT_EQ(good("mem:e6ef0000,4K"), DeviceId(MmioBlock{PhysAddr{0xe6ef0000}, 4096}));
    EXPECT_EQ(good("mem:0d4096,0x10"), DeviceId(MmioBlock{PhysAddr{4096}, 16}));
    EXPECT_EQ(good("acpi:\\_SB.GPU0"), DeviceId(AcpiName{"\\_SB.GPU0"}));
}

TEST(DeviceId, SaysWhichDecimalFormWasMeant) {
    EXPECT_EQ(bad("pci:3b:0.0"), "numbers after pci: are decimal; did you mean pci:59:0.0?");
    EXPECT_EQ(bad("pci:0:1f.3"), "numbers after pci: are decimal; did you mean pci:0:31.3?");
    EXPECT_EQ(bad("pci:1:3b:0.0"), "numbers after pci: are decimal; did you mean pci:1:59:0.0?");
}

TEST(DeviceId, SaysWhatIsWrong) {
    EXPECT_NE(bad("pci:").find("expected pci:BUS"), std::string::npos);
    EXPECT_NE(bad("pci:0:1").find("expected pci:BUS"), std::string::npos);
    EXPECT_NE(bad("pci:1.0").find("expected pci:BUS"), std::string::npos);
    EXPECT_NE(bad("pci::0:1.0").find("expected pci:BUS"), std::string::npos);
    EXPECT_NE(bad("pci:256:0.0").find("out of range"), std::string::npos);
    EXPECT_NE(bad("pci:0:99.0").find("out of range"), std::string::npos);
    EXPECT_NE(bad("pci:0:0.8").find("out of range"), std::string::npos);
    EXPECT_NE(bad("pci:0:0.0x").find("out of range"), std::string::npos);
    EXPECT_NE(bad("pci:0:0d1.0").find("out of range"), std::string::npos);
    EXPECT_NE(bad("0000:3b:20.0").find("out of range"), std::string::npos);
    EXPECT_NE(bad("0:3b:00.0").find("expected a device id"), std::string::npos);
    EXPECT_NE(bad("").find("expected a device id"), std::string::npos);
    EXPECT_NE(bad("foo").find("expected a device id"), std::string::npos);
    EXPECT_NE(bad("acpi:").find("expected a path"), std::string::npos);
    EXPECT_NE(bad("mem:").find("has no digits"), std::string::npos);
    EXPECT_NE(bad("mem:12345678901234567").find("does not fit"), std::string::npos);
    EXPECT_NE(bad("mem:0x1000,0").find("is 0"), std::string::npos);
    EXPECT_NE(bad("mem:0x1000,zz").find("'z'"), std::string::npos);
    EXPECT_NE(bad("mem:0xffffffffffffffff,2").find("past the top"), std::string::npos);
}

TEST(DeviceId, ShowsBothForms) {
    EXPECT_EQ(to_string(PciAddress{0, 0x3b, 0, 1}), "0000:3b:00.1");
    EXPECT_EQ(qnx_form(PciAddress{0, 0x3b, 0, 1}), "pci:59:0.1");
    EXPECT_EQ(qnx_form(PciAddress{2, 0x3b, 31, 1}), "pci:2:59:31.1");
    EXPECT_EQ(to_string(MmioBlock{PhysAddr{0xe6ef0000}, 0}), "mem:0xe6ef0000");
    EXPECT_EQ(qnx_form(MmioBlock{PhysAddr{0xe6ef0000}, 0x1000}), "mem:0xe6ef0000,0x1000");
    EXPECT_EQ(qnx_form(AcpiName{"\\_SB.GPU0"}), "acpi:\\_SB.GPU0");
    for (const char* text : {"0000:00:1f.3", "mem:0xe6ef0000,0x1000", "mem:0x10", "acpi:\\_SB.GPU0"})
        EXPECT_EQ(to_string(good(text)), text);
}

TEST(Number, PrefixesAndMultipliers) {
    EXPECT_EQ(parse_number("8000", Radix::hexadecimal), 0x8000u);
    EXPECT_EQ(parse_number("0d32768", Radix::hexadecimal), 32768u);
    EXPECT_EQ(parse_number("0x10", Radix::decimal), 16u);
    EXPECT_EQ(parse_number("16M", Radix::hexadecimal), 16u << 20);
    EXPECT_EQ(parse_number("0x10k", Radix::decimal), 16u << 10);
    EXPECT_EQ(parse_number("2g", Radix::hexadecimal), std::uint64_t{2} << 30);
    EXPECT_EQ(parse_number("ffffffffffffffff", Radix::hexadecimal), ~std::uint64_t{0});
    EXPECT_EQ(parse_number("17179869183G", Radix::decimal), std::uint64_t{17179869183} << 30);
    EXPECT_EQ(parse_number("17179869184G", Radix::decimal).error(), "does not fit in 64 bits");
    EXPECT_EQ(parse_number("10000000000000000", Radix::hexadecimal).error(),
              "does not fit in 64 bits");
    EXPECT_EQ(parse_number("", Radix::decimal).error(), "has no digits");
    EXPECT_EQ(parse_number("0x", Radix::decimal).error(), "has no digits");
    EXPECT_EQ(parse_number("K", Radix::decimal).error(), "has no digits");
    EXPECT_EQ(parse_number("12q", Radix::decimal).error(),
              "holds 'q', which is not a decimal digit");
    EXPECT_EQ(parse_number("fM", Radix::hexadecimal).error(),
              "holds 'f', which is not a decimal digit");
    EXPECT_EQ(parse_number("-1", Radix::hexadecimal).error(),
              "holds '-', which is not a hexadecimal digit");
}

TEST(Topology, NamesOfKinds) {
    EXPECT_EQ(name(UnitKind::vtd), "vtd");
    EXPECT_EQ(name(UnitKind::smmuv3), "smmuv3");
    EXPECT_EQ(name(UnitKind::smmuv2), "smmuv2");
    EXPECT_EQ(name(UnitKind::ipmmu), "ipmmu");
    EXPECT_EQ(name(UnitKind::amdvi), "amdvi");
    EXPECT_EQ(name(UnitKind::riscv), "riscv");
    EXPECT_EQ(name(UnitKind::virtio), "virtio");
    EXPECT_EQ(name(UnitKind::unsupported), "unsupported");
}

TEST(PciTree, FindsFunctionsAndTheBridgeAbove) {
    PciTree tree;
    PciFunction bridge;
    bridge.address = {0, 0, 1, 0};
    bridge.is_bridge = true;
    bridge.secondary = 2;
    bridge.subordinate = 4;
    PciFunction looping = bridge;  // claims a bus that is not below it
    looping.address = {0, 5, 0, 0};
    looping.secondary = 5;
    looping.subordinate = 5;
    tree.functions = {bridge, looping};
    EXPECT_EQ(tree.find({0, 0, 1, 0}), &tree.functions[0]);
    EXPECT_EQ(tree.find({0, 0, 1, 1}), nullptr);
    EXPECT_EQ(tree.bridge_of(0, 2), &tree.functions[0]);
    EXPECT_EQ(tree.bridge_of(0, 3), nullptr);
    EXPECT_EQ(tree.bridge_of(1, 2), nullptr);
    EXPECT_EQ(tree.bridge_of(0, 5), nullptr);
}

}  // namespace
}  // namespace smmu::topology
