// SPDX-License-Identifier: Apache-2.0
// Fault records: by context, the first one stays, and the address goes with the status.
#include "tests/models/rcar/bench.hpp"

namespace smmu::model::rcar {
namespace {

class Fault : public Bench {
protected:
    void start(std::string_view name = "h3-es3") {
        boot(name);
        root = new_table();
        map(root, iova, memory_a, leaf | read_only);
        program(1, root);
        join("ds1", 1);
        tie("ds1", 32, 1);
    }
    std::uint64_t root = 0;
};

TEST_F(Fault, EachLevelIsTold) {
    start();
    const std::pair<std::uint64_t, unsigned> cases[] = {
        {0xc0000000, 1}, {iova + (2 << 20), 2}, {iova + 0x1000, 3}};
    for (const auto& [address, level] : cases) {
        EXPECT_FALSE(reads("sdhi0", address + 8, memory_a));
        EXPECT_EQ(fault_status(1), fault::translation | level << 12);
        EXPECT_EQ(fault_address(1), address + 8);
        put(in_main(1, 0x20), 0);
        EXPECT_EQ(fault_status(1), 0u);
        EXPECT_EQ(fault_address(1), 0u);
    }
}

TEST_F(Fault, WritesToWhatIsReadOnly) {
    start();
    EXPECT_FALSE(writes("sdhi0", iova, memory_a));
    EXPECT_EQ(fault_status(1), 0x3402u);
    put(in_main(1, 0x20), 0);
    EXPECT_TRUE(reads("sdhi0", iova, memory_a));
    EXPECT_FALSE(writes("sdhi0", iova + 0x10, memory_a));
    EXPECT_EQ(fault_status(1), 0x3402u) << "the same when the cache unit knows the page";
    EXPECT_EQ(fault_address(1), iova + 0x10);
}

TEST_F(Fault, TheFirstStays) {
    start();
    EXPECT_FALSE(reads("sdhi0", iova + 0x1000, memory_a));
    EXPECT_FALSE(writes("sdhi0", iova, memory_a));
    EXPECT_EQ(fault_status(1), fault::translation | fault::level(3));
    EXPECT_EQ(fault_address(1), iova + 0x1000);
}

TEST_F(Fault, EachContextHasItsOwn) {
    start();
    program(2, new_table());
    join("ds0", 2);
    tie("ds0", 16, 2);
    EXPECT_FALSE(writes("avb", 0x2000, memory_a));
    EXPECT_FALSE(writes("sdhi0", 0x3000, memory_a));
    EXPECT_EQ(fault_address(2), 0x2000u);
    EXPECT_EQ(fault_address(1), 0x3000u);
    EXPECT_EQ(signals(), 1u << 18 | 1u << 1 | 1u << 0);
    put(in_main(1, 0x20), 0);
    EXPECT_EQ(signals(), 1u << 18 | 1u << 0);
    EXPECT_TRUE(machine->main_unit().interrupts());
    put(in_main(2, 0x20), 0);
    EXPECT_EQ(signals(), 0u);
    EXPECT_FALSE(machine->main_unit().interrupts());
}

TEST_F(Fault, OtherCutsHaveOtherBits) {
    boot("h3-es1");
    program(1, new_table());
    join("vp0", 1);
    tie("vp0", 1, 1);
    EXPECT_FALSE(writes("fcpf1", memory_a, memory_a));
    EXPECT_EQ(signals(), 1u << 13 | 1u << 12);
    boot("h3-es3");
    program(1, new_table());
    join("vp1", 1);
    tie("vp1", 1, 1);
    EXPECT_FALSE(writes("fcpf1", memory_a, memory_a));
    EXPECT_EQ(signals(), 1u << 18 | 1u << 17);
}

TEST_F(Fault, SecureTables) {
    start();
    map(root, 0x50000000, memory_b, leaf & ~(1ull << 5));
    map(root, 0x90000000, memory_b, leaf, 3, 0);
    EXPECT_FALSE(reads("sdhi0", 0x50000000, memory_b));
    EXPECT_EQ(fault_status(1), 0x3502u);
    expect_complaint("NS is 0");
    put(in_main(1, 0x20), 0);
    EXPECT_FALSE(reads("sdhi0", 0x90000000, memory_b));
    EXPECT_EQ(fault_status(1), 0x1502u);
    expect_complaint("NSTable is 0");
}

TEST_F(Fault, TablesOutsideMemory) {
    start();
    store(entry_of(root, 0x80000000, 1), 0x20000000 | 3 | non_secure_table);
    EXPECT_FALSE(reads("sdhi0", 0x80000000, memory_b));
    EXPECT_EQ(fault_status(1), fault::abort | fault::level(2));
    expect_complaint("outside RAM");
}

TEST_F(Fault, AnotherPageSizeWithoutAFlush) {
    start();
    EXPECT_TRUE(reads("sdhi0", iova, memory_a));
    store(entry_of(root, iova, 1), 0);
    map(root, iova, memory_a, leaf, 2);
    EXPECT_FALSE(reads("sdhi0", iova, memory_a));
    EXPECT_EQ(fault_status(1), fault::multiple_hit);
    expect_complaint("size of the page");
    put(in_main(1, 0x20), 0);
    flush({"ds1"}, 1);
    EXPECT_TRUE(reads("sdhi0", iova, memory_a));
}

}  // namespace
}  // namespace smmu::model::rcar
