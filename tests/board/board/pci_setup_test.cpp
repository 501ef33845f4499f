// SPDX-License-Identifier: Apache-2.0
// What firmware does to a PCI hierarchy, done to one made of plain numbers.
#include "board/pci_setup.hpp"

#include <gtest/gtest.h>

#include <map>
#include <memory>

namespace smmu::board {
namespace {

using link::Operation;

constexpr PciPlaces places{{0x40'0000'0000}, {{0x1000'0000}, {0x1fff'ffff}}};

// Configuration space of one function: address registers keep only the bits of their size.
struct Function {
    std::map<unsigned, std::uint32_t> words;                        // by offset
    std::map<unsigned, std::pair<std::uint32_t, std::uint32_t>> bars;  // kept bits, fixed bits
    std::map<unsigned, std::unique_ptr<Function>> behind;           // by devfn; of a bridge

    void bar(unsigned index, std::uint64_t size, std::uint32_t flags) {
        bars[0x10 + 4 * index] = {static_cast<std::uint32_t>(~(size - 1)) & ~15u, flags};
        if ((flags & 4) != 0) bars[0x14 + 4 * index] = {static_cast<std::uint32_t>(~(size - 1) >> 32), 0};
    }
    Function& add(unsigned devfn, std::uint8_t header = 0) {
        auto& made = behind[devfn] = std::make_unique<Function>();
        made->words[0] = 0x1234'0000 | devfn;
        made->words[0x0c] = std::uint32_t{header} << 16;
        return *made;
    }
    unsigned bus_behind() { return words[0x18] >> 8 & 0xff; }
    unsigned last_bus_behind() { return words[0x18] >> 16 & 0xff; }
    std::uint32_t at(unsigned offset) {
        const auto bar = bars.find(offset);
        return bar == bars.end() ? words[offset] : (words[offset] & bar->second.first) | bar->second.second;
    }
};

class Hierarchy final : public Machine {
public:
    const link::MachineDescription& description() const override { return description_; }
    std::span<const link::FirmwareTable> firmware_tables() const override { return {}; }
    int ram() const override { return -1; }
    Result<void> perform(std::span<const Operation> operations, std::span<std::uint64_t> values) override {
        std::size_t valued = 0;
        for (const Operation& operation : operations) {
            const std::uint64_t at = operation.address - places.config.value;
            Function* const function = find(root_, 0, at >> 20 & 0xff, at >> 12 & 0xff);
            const unsigned offset = at & 0xffc, shift = 8 * (at & 3);
            const std::uint32_t mask = operation.bytes == 4 ? ~0u : (1u << 8 * operation.bytes) - 1;
            if (operation.reads())
                values[valued++] = function != nullptr ? function->at(offset) >> shift & mask : mask;
            else if (function != nullptr)
                function->words[offset] = (function->words[offset] & ~(mask << shift)) |
                                          (static_cast<std::uint32_t>(operation.value) & mask) << shift;
        }
        return {};
    }
    Function& root() { return root_; }

private:
    // A bridge passes on what is for the buses that it was told.
    static Function* find(Function& bridge, unsigned its_bus, unsigned bus, unsigned devfn) {
        if (bus == its_bus) {
            const auto found = bridge.behind.find(devfn);
            return found == bridge.behind.end() ? nullptr : found->second.get();
        }
        for (const auto& [number, function] : bridge.behind)
            if ((function->words[0x0c] >> 16 & 0x7f) == 1 && function->bus_behind() != 0 &&
                bus >= function->bus_behind() && bus <= function->last_bus_behind())
                return find(*function, function->bus_behind(), bus, devfn);
        return nullptr;
    }

    link::MachineDescription description_;
    Function root_;
};

TEST(PciSetup, AddressesComeInOrderAndByTheirSizes) {
    Hierarchy pci;
    Function& first = pci.root().add(0x08);
    first.bar(0, 0x1000, 0);
    first.bar(1, 0x100, 1);        // I/O ports
    first.bar(2, 0x10'0000, 0xc);  // 64 bits, prefetchable
    Function& second = pci.root().add(0x10);
    second.bar(5, 0x2000, 0);
    ASSERT_TRUE(set_up_pci(pci, places));
    EXPECT_EQ(first.at(0x10), 0x1000'0000u);
    EXPECT_EQ(first.words[0x14], 0u) << "no ports";
    EXPECT_EQ(first.at(0x18), 0x1010'000cu);
    EXPECT_EQ(first.words[0x1c], 0u);
    EXPECT_EQ(second.at(0x24), 0x1020'0000u);
    EXPECT_EQ(first.words[4], 2u) << "memory space, not bus master";
    EXPECT_EQ(second.words[4], 2u);
}

TEST(PciSetup, FunctionsBehindTheFirstNeedItsWord) {
    Hierarchy pci;
    pci.root().add(0x08).bar(0, 0x1000, 0);
    Function& echo = pci.root().add(0x09);
    echo.bar(0, 0x1000, 0);
    pci.root().add(0x10, 0x80).bar(0, 0x1000, 0);
    Function& real = pci.root().add(0x15);
    real.bar(0, 0x1000, 0);
    ASSERT_TRUE(set_up_pci(pci, places));
    EXPECT_EQ(echo.words[4], 0u);
    EXPECT_EQ(real.at(0x10), 0x1000'2000u);
}

TEST(PciSetup, BridgesGetBusesAndWindows) {
    Hierarchy pci;
    Function& outer = pci.root().add(0x08, 1);
    outer.bar(0, 0x1000, 0);
    Function& inner = outer.add(0, 1);
    Function& deep = inner.add(0x18);
    deep.bar(0, 0x1000, 0);
    Function& empty = pci.root().add(0x10, 1);
    Function& after = pci.root().add(0x18);
    after.bar(0, 0x1000, 0);
    ASSERT_TRUE(set_up_pci(pci, places));
    EXPECT_EQ(outer.words[0x18], 0x0002'0100u);
    EXPECT_EQ(inner.words[0x18], 0x0002'0201u);
    EXPECT_EQ(empty.words[0x18], 0x0003'0300u);
    EXPECT_EQ(outer.at(0x10), 0x1000'0000u);
    EXPECT_EQ(deep.at(0x10), 0x1010'0000u);
    EXPECT_EQ(outer.words[0x20], 0x1010'1010u);
    EXPECT_EQ(inner.words[0x20], 0x1010'1010u);
    EXPECT_EQ(empty.words[0x20], 0x0000'fff0u) << "closed";
    EXPECT_EQ(outer.words[0x24], 0x0000'fff0u) << "closed";
    EXPECT_EQ(outer.words[0x1c], 0x0000'00f0u) << "closed";
    EXPECT_EQ(outer.words[4], 2u);
    EXPECT_EQ(after.at(0x10), 0x1020'0000u);
}

TEST(PciSetup, WhatDoesNotFitIsAnError) {
    Hierarchy large;
    large.root().add(0x08).bar(0, 0x1000'0000, 0);
    EXPECT_TRUE(set_up_pci(large, places));
    large.root().add(0x10).bar(0, 0x10, 0);
    EXPECT_EQ(set_up_pci(large, places).error().code, ENOSPC);
    Hierarchy huge;
    huge.root().add(0x08).bar(0, std::uint64_t{1} << 40, 4);
    EXPECT_EQ(set_up_pci(huge, places).error().code, ENOSPC);
    Hierarchy strange;
    strange.root().add(0x08).bar(0, 0, 4);  // keeps no bit of an address
    EXPECT_EQ(set_up_pci(strange, places).error().code, ENOSPC);
}

TEST(PciSetup, BusesAreBounded) {
    Hierarchy pci;
    Function* bridge = &pci.root();
    for (unsigned depth = 0; depth < 255; ++depth) bridge = &bridge->add(0x08, 1);
    EXPECT_TRUE(set_up_pci(pci, places));
    EXPECT_EQ(bridge->words[0x18], 0x00ff'fffeu);
    bridge->add(0x08, 1);
    EXPECT_EQ(set_up_pci(pci, places).error().code, ENOSPC);
}

}  // namespace
}  // namespace smmu::board
