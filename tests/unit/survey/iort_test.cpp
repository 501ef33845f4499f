// SPDX-License-Identifier: Apache-2.0
// Surveys of machines that an IORT describes: units, streams by way of the root complex, reserved memory, interrupt controllers.
#include <gtest/gtest.h>

#include <algorithm>

#include "config/parse.hpp"
#include "survey/survey.hpp"
#include "tests/unit/firmware/madt_bytes.hpp"

namespace smmu::test {
namespace {

using topology::PciAddress;

// Bytes of an IORT, node by node.
class IortBytes {
public:
    IortBytes() : bytes_(48) {
        for (unsigned i = 0; i < 4; ++i) bytes_[i] = std::byte("IORT"[i]);
        bytes_[40] = std::byte{48};
    }
    struct Mapping {
        std::uint32_t input, count, output;
        std::size_t target;
    };
    std::size_t its() { return node(0, 24, {}, [&] { number(1, 4), number(0, 4); }); }
    std::size_t smmuv3(std::uint64_t base) {
        return node(4, 68, {}, [&] { number(base, 8), number(0, 44); });
    }
    std::size_t root_complex(std::vector<Mapping> mappings) {
        return node(2, 36, std::move(mappings), [&] { number(0, 20); });
    }
    std::size_t reserved(std::uint64_t base, std::uint64_t length, std::vector<Mapping> mappings) {
        return node(6, 48, std::move(mappings), [&] { number(0, 4), number(1, 4), number(28, 4), number(base, 8), number(length, 8), number(0, 4); });
    }
    std::vector<std::byte> table() const {
        auto table = bytes_;
        table[36] = std::byte(nodes_);
        for (unsigned i = 0; i < 4; ++i) table[4 + i] = std::byte(table.size() >> (8 * i));
        unsigned sum = 0;
        for (const std::byte byte : table) sum += std::to_integer<unsigned>(byte);
        table[9] = std::byte(0x100 - (sum & 0xff));
        return table;
    }

private:
    // `fixed`: bytes before its mappings.
    template <class Body>
    std::size_t node(unsigned type, std::size_t fixed, std::vector<Mapping> mappings, Body body) {
        const std::size_t start = bytes_.size();
        number(type, 1), number(fixed + 20 * mappings.size(), 2), number(0, 5);
        number(mappings.size(), 4), number(mappings.empty() ? 0 : fixed, 4);
        body();
        bytes_.resize(start + fixed);
        for (const Mapping& mapping : mappings)
            number(mapping.input, 4), number(mapping.count - 1, 4), number(mapping.output, 4), number(mapping.target, 4), number(0, 4);
        ++nodes_;
        return start;
    }
    void number(std::uint64_t value, unsigned bytes) {
        for (unsigned i = 0; i < bytes; ++i) bytes_.push_back(std::byte(i < 8 ? value >> (8 * i) : 0));
    }
    std::vector<std::byte> bytes_;
    unsigned nodes_ = 0;
};

class IortSurvey : public testing::Test {
protected:
    topology::PciFunction& add(PciAddress address) {
        topology::PciFunction function;
        function.address = address;
        function.class_code = 0x00ff00;
        function.type = topology::PcieType::endpoint;
        tree.functions.push_back(function);
        return tree.functions.back();
    }
    topology::Topology survey(const std::string& words = "smmu armsmmuv3") {
        tree.gated = true;
        const std::vector<std::string> arguments{words};
        const auto no_files = [](const std::string&) -> Result<std::string> { return fail(ENOENT, "no file"); };
        parsed = config::parse(arguments, no_files, config::Edition::plain);
        EXPECT_TRUE(parsed.errors.empty());
        iort_bytes = iort.table();
        madt_bytes = madt.table();
        const survey::Input input{.tables = {{"IORT", iort_bytes}, {"APIC", madt_bytes}},
                                  .pci = tree,
                                  .configuration = parsed.configuration,
                                  .ram = {{PhysAddr{0x40000000}, PhysAddr{0x4fffffff}}},
                                  .table_memory = {},
                                  .register_windows = {},
                                  .silent_units = {}};
        return survey::survey(input);
    }
    static bool has(const topology::Topology& topology, std::string_view id) {
        return std::ranges::find(topology.findings, id, &topology::Finding::id) != topology.findings.end();
    }
    static bool is_protected(const topology::Topology& topology, std::uint64_t address) {
        return std::ranges::any_of(topology.protected_memory,
                                   [&](const topology::Protected& part) { return part.range.contains(PhysAddr{address}); });
    }

    IortBytes iort;
    MadtBytes madt;
    topology::PciTree tree;
    config::ParseResult parsed;
    std::vector<std::byte> iort_bytes, madt_bytes;
};

TEST_F(IortSurvey, StreamsComeByWayOfTheRootComplex) {
    const auto unit = iort.smmuv3(0x9050000);
    iort.root_complex({{0, 0x100, 0x1000, unit}});
    add({0, 0, 3, 0});
    add({0, 1, 0, 0});
    const auto topology = survey();
    ASSERT_EQ(topology.units.size(), 1u);
    EXPECT_EQ(topology.units[0].name, "smmuv3@9050000");
    EXPECT_EQ(topology.units[0].registers.length(), 0x20000u);
    ASSERT_EQ(topology.devices[0].streams.size(), 1u);
    EXPECT_EQ(raw(topology.devices[0].streams[0].id), 0x1018u);
    EXPECT_TRUE(topology.devices[1].streams.empty()) << "its bus is not mapped";
    EXPECT_TRUE(has(topology, "device-no-unit"));
    EXPECT_TRUE(is_protected(topology, 0x906ffff));
}

TEST_F(IortSurvey, AnIdThatGoesAroundTheUnitIsNotContained) {
    const auto unit = iort.smmuv3(0x9050000), around = iort.its();
    iort.root_complex({{0, 0x100, 0, unit}, {0x18, 1, 0, around}});
    add({0, 0, 3, 0});
    add({0, 0, 4, 0});
    const auto topology = survey();
    EXPECT_TRUE(has(topology, "iort-mapping-overlap"));
    EXPECT_TRUE(topology.devices[0].streams.empty());
    EXPECT_EQ(topology.devices[1].streams.size(), 1u);
}

TEST_F(IortSurvey, ReservedMemoryIsForTheDevicesWithItsStreams) {
    const auto unit = iort.smmuv3(0x9050000);
    iort.root_complex({{0, 0x100, 0, unit}});
    iort.reserved(0x80000000, 0x10000, {{0, 1, 0x18, unit}});
    add({0, 0, 3, 0});
    add({0, 0, 4, 0});
    const auto topology = survey();
    ASSERT_EQ(topology.devices[0].grants.size(), 1u);
    EXPECT_EQ(topology.devices[0].grants[0].range.first, PhysAddr{0x80000000});
    EXPECT_TRUE(topology.devices[0].grants[0].honoured);
    EXPECT_TRUE(topology.devices[1].grants.empty());
}

TEST_F(IortSurvey, InterruptControllersAreProtected) {
    const auto unit = iort.smmuv3(0x9050000);
    iort.root_complex({{0, 0x100, 0, unit}});
    madt.distributor(0x08000000, 3).redistributors(0x080a0000, 0x20000).its(0, 0x08080000);
    const auto topology = survey();
    for (const std::uint64_t address : {0x08000080u, 0x080a0000u, 0x08080000u, 0x08090040u})
        EXPECT_TRUE(is_protected(topology, address)) << std::hex << address;
    EXPECT_FALSE(is_protected(topology, 0x40000000));
}

TEST_F(IortSurvey, AWrittenUseReplacesTheTable) {
    const auto unit = iort.smmuv3(0x9050000);
    iort.root_complex({{0, 0x100, 0, unit}});
    add({0, 0, 3, 0});
    const auto topology = survey("smmu armsmmuv3 device pci:0:3.0 use smmuv3@9050000 0x99");
    ASSERT_EQ(topology.devices[0].streams.size(), 1u);
    EXPECT_EQ(raw(topology.devices[0].streams[0].id), 0x99u);
    EXPECT_EQ(topology.superseded.size(), 1u);
}

}  // namespace
}  // namespace smmu::test
