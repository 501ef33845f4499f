// SPDX-License-Identifier: Apache-2.0
// The referee itself: each mistake a driver can make, made by hand, is found; the right way is not
// complained about.
#include <gtest/gtest.h>

#include "tests/e2e/judges/vtd_referee.hpp"

namespace smmu::test::vtd {
namespace {

constexpr std::uint64_t root = 0x10000;
constexpr std::uint64_t contexts = 0x11000;
constexpr std::uint64_t top = 0x12000;
constexpr std::uint64_t middle = 0x13000;
constexpr std::uint64_t directory = 0x14000;
constexpr std::uint64_t leaves = 0x15000;
constexpr std::uint64_t other_leaves = 0x16000;
constexpr std::uint64_t ring = 0x20000;
constexpr std::uint64_t status = 0x21000;
constexpr std::uint64_t source = 0x18;
constexpr std::uint64_t domain = 5;

// Version 1, 48 bits, 64 Ki domains, page-selective, drains; large leaves of 2 MiB and 1 GiB.
constexpr Capability plain{6ull | 4ull << 8 | 3ull << 34 | 1ull << 39 | 18ull << 48 | 3ull << 54,
                           2};
constexpr Capability caching{plain.cap | 1ull << 7, 2};

// A unit that acknowledges at once and a driver whose every step is written out.
class RefereeModel : public testing::Test {
protected:
    explicit RefereeModel(Capability capability = plain)
        : ram_(0x40000), referee_(Memory{ram_}, capability, Registers{}) {
        put(root, contexts | 1);
        put_context(domain, top);
        put(top, middle | 3);
        put(middle, directory | 3);
        put(directory, leaves | 3);
        put(leaves, 0x30000 | 3);
        put(leaves + 8, 0x31000 | 3);
    }
    void put(std::uint64_t at, std::uint64_t value) { std::memcpy(ram_.data() + at, &value, 8); }
    void put_context(std::uint64_t id, std::uint64_t table) {
        put(contexts + source * 16 + 8, 2 | id << 8);
        put(contexts + source * 16, table | 1);
    }
    void write(std::uint64_t offset, unsigned bytes, std::uint64_t value) {
        referee_.after_write({offset, bytes, value}, registers_);
    }
    void command(std::uint32_t value) {
        registers_.gsts =
            (registers_.gsts & 0x40000000u) | (value & 0x96ffffffu) | (value & Referee::set_root);
        write(0x18, 4, value);
    }
    void toggle(std::uint32_t bit) { command((registers_.gsts & 0x96ffffffu) | bit); }
    void set_root(std::uint64_t table) {
        registers_.rtaddr = table;
        write(0x20, 8, table);
        toggle(Referee::set_root);
    }
    void submit(std::initializer_list<std::pair<std::uint64_t, std::uint64_t>> descriptors) {
        std::uint64_t at = registers_.iqt;
        for (const auto& [low, high] : descriptors) {
            put(ring + at, low);
            put(ring + at + 8, high);
            at = (at + 16) % 4096;
        }
        registers_.iqt = at;
        write(0x88, 8, at);
    }
    static constexpr std::pair<std::uint64_t, std::uint64_t> wait{1ull << 32 | 0x25, status};
    static constexpr std::pair<std::uint64_t, std::uint64_t> all_contexts{0x11, 0};
    static constexpr std::pair<std::uint64_t, std::uint64_t> all_translations{0xd2, 0};
    static constexpr std::pair<std::uint64_t, std::uint64_t> contexts_of_device{
        0x31 | domain << 16 | source << 32, 0};
    static constexpr std::pair<std::uint64_t, std::uint64_t> translations_of_domain{
        0xe2 | domain << 16, 0};
    static constexpr std::pair<std::uint64_t, std::uint64_t> page(std::uint64_t first,
                                                                  std::uint64_t mask, bool hint) {
        return {0xf2 | domain << 16, first | (hint ? 0x40 : 0) | mask};
    }

    void enable() {
        registers_.iqa = ring;
        write(0x90, 8, ring);
        toggle(Referee::queue);
        set_root(root);
        submit({all_contexts, wait});
        submit({all_translations, wait});
        toggle(Referee::translation);
        referee_.at_answer("ready");
        ASSERT_EQ(found(), "");
    }
    std::string found() const {
        std::string all;
        for (const std::string& finding : referee_.findings()) all += finding + "\n";
        return all;
    }
    void expect_found(const char* part) {
        EXPECT_NE(found().find(part), std::string::npos) << part << "\n" << found();
    }

    std::vector<std::byte> ram_;
    Registers registers_;
    Referee referee_;
};

TEST_F(RefereeModel, RightStartMapUnmapAndDetach) {
    enable();
    put(leaves + 16, 0x32000 | 3);
    referee_.at_answer("map");
    put(leaves + 16, 0);
    submit({page(0x2000, 0, true), wait});
    referee_.at_answer("unmap");
    put(leaves, 0);
    put(leaves + 8, 0);
    put(directory, 0);
    submit({page(0, 9, false), wait});
    put(leaves, 0x1234567000 | 1);  // used for something else by now
    referee_.at_answer("table freed");
    put(contexts + source * 16, 0);
    submit({contexts_of_device, translations_of_domain, wait});
    referee_.at_answer("detach");
    put_context(domain, other_leaves);
    referee_.at_answer("domain reused");
    EXPECT_EQ(found(), "");
}

TEST_F(RefereeModel, CommandOfTwoBits) {
    enable();
    command(0xc2000000u | Referee::queue);
    expect_found("not one bit");
}
TEST_F(RefereeModel, TranslationTurnedOff) {
    enable();
    command(Referee::queue);
    expect_found("turns translation off");
}
TEST_F(RefereeModel, EnabledBeforeInvalidation) {
    set_root(root);
    toggle(Referee::translation);
    expect_found("enabled before the caches were invalidated");
}
TEST_F(RefereeModel, TranslationsInvalidatedBeforeContexts) {
    enable();
    set_root(root);
    submit({all_translations, all_contexts, wait});
    referee_.at_answer("root set");
    expect_found("not invalidated after the root table was set");
}
TEST_F(RefereeModel, RootAddressNotLatched) {
    enable();
    write(0x20, 8, root);
    referee_.at_answer("done");
    expect_found("never latched");
}
TEST_F(RefereeModel, QueueMovedWhileItRuns) {
    enable();
    write(0x90, 8, ring);
    expect_found("moved while it runs");
}
TEST_F(RefereeModel, TailOutsideTheRing) {
    enable();
    write(0x88, 8, 0x1000);
    expect_found("not in the ring");
}
TEST_F(RefereeModel, CommandNotAcknowledged) {
    write(0x18, 4, Referee::queue);
    write(0x18, 4, Referee::set_root | Referee::queue);
    expect_found("not acknowledged");
}
TEST_F(RefereeModel, ForeignRegister) {
    write(0x1c, 4, 0);
    expect_found("nobody writes");
}
TEST_F(RefereeModel, IllegalDescriptors) {
    enable();
    submit({{0x7, 0}});
    expect_found("legacy mode does not have");
    submit({{0x31 | 1ull << 60, 0}});
    expect_found("reserved bits");
    submit({{0x35, status}});
    expect_found("does more");
    submit({page(0x1000, 1, true)});
    expect_found("misaligned");
    submit({{0x32, 0}});
    expect_found("the drain of writes");
}
TEST_F(RefereeModel, UnmapWithoutInvalidation) {
    enable();
    put(leaves, 0);
    referee_.at_answer("unmap");
    expect_found("may still be cached: 1 translations");
}
TEST_F(RefereeModel, UnmapWithoutWait) {
    enable();
    put(leaves, 0);
    submit({page(0, 0, true)});
    referee_.at_answer("unmap");
    expect_found("not waited for");
    expect_found("may still be cached");
}
TEST_F(RefereeModel, InvalidationOfAnotherDomain) {
    enable();
    put(leaves, 0);
    submit({{0xf2 | 6 << 16, 0}, wait});
    referee_.at_answer("unmap");
    expect_found("may still be cached");
}
TEST_F(RefereeModel, InvalidationOfTooFewPages) {
    enable();
    put(leaves, 0);
    put(leaves + 8, 0);
    submit({page(0, 0, true), wait});
    referee_.at_answer("unmap");
    expect_found("translation 0x1000-0x1fff");
}
TEST_F(RefereeModel, InvalidationBeforeRemoval) {
    enable();
    submit({page(0, 0, true), wait});
    put(leaves, 0);
    referee_.at_answer("unmap");
    expect_found("may still be cached");
}
TEST_F(RefereeModel, TableFreedWithLeafHint) {
    enable();
    put(leaves, 0);
    put(leaves + 8, 0);
    put(directory, 0);
    submit({page(0, 9, true), wait});
    referee_.at_answer("table freed");
    expect_found("1 tables, first: level 1 table 0x15000");
    put(leaves, 0x30000 | 1);
    submit({wait});
    expect_found("is used anew");
}
TEST_F(RefereeModel, LeafChangedInPlace) {
    enable();
    put(leaves, 0x33000 | 3);
    submit({page(0, 0, true), wait});
    referee_.at_answer("changed");
    expect_found("no invalidation between translation 0x0-0xfff to 0x30000");
}
TEST_F(RefereeModel, LargeLeafSplitInPlace) {
    put(directory + 8, 0x200000 | 0x83);
    for (std::uint64_t i = 0; i < 512; ++i) put(other_leaves + 8 * i, (0x200000 + (i << 12)) | 3);
    enable();
    put(directory + 8, other_leaves | 3);
    submit({page(0x200000, 9, false), wait});
    expect_found("no invalidation between translation 0x200000-0x3fffff");
}
TEST_F(RefereeModel, TableReplacedInPlace) {
    enable();
    put(directory, other_leaves | 3);
    submit({page(0, 9, false), wait});
    expect_found("no invalidation between level 1 table 0x15000");
}
TEST_F(RefereeModel, PermissionReducedWithoutInvalidation) {
    enable();
    put(leaves, 0x30000 | 1);
    referee_.at_answer("reduced");
    expect_found("may still be cached");
}
TEST_F(RefereeModel, ContextRemovedWithoutInvalidation) {
    enable();
    put(contexts + source * 16, 0);
    submit({translations_of_domain, wait});
    referee_.at_answer("detach");
    expect_found("contexts, first: context of 0x0018");
}
TEST_F(RefereeModel, TranslationsInvalidatedBeforeTheContext) {
    enable();
    put(contexts + source * 16, 0);
    submit({translations_of_domain, contexts_of_device, wait});
    referee_.at_answer("detach");
    expect_found("may still be cached");
}
TEST_F(RefereeModel, ContextInvalidatedWithTheNewDomain) {
    enable();
    put_context(6, other_leaves);
    submit({{0x31 | 6 << 16 | source << 32, 0}, translations_of_domain, wait});
    referee_.at_answer("moved");
    expect_found("contexts, first: context of 0x0018");
}
TEST_F(RefereeModel, DomainReusedTooEarly) {
    enable();
    put_context(domain, other_leaves);
    submit({contexts_of_device, translations_of_domain, wait});
    expect_found("may be cached with another root");
}
TEST_F(RefereeModel, TwoRootsInOneDomain) {
    put(contexts + 0x20 * 16 + 8, 2 | domain << 8);
    put(contexts + 0x20 * 16, other_leaves | 1);
    registers_.gsts = 0xc0000000u;
    registers_.rtaddr = root;
    referee_.accept({}, true);
    set_root(root);
    submit({});
    expect_found("two roots");
}
TEST_F(RefereeModel, PassThroughContext) {
    enable();
    put(contexts + 0x20 * 16 + 8, 2 | 9 << 8);
    put(contexts + 0x20 * 16, 0x9);
    submit({wait});
    expect_found("lets everything pass");
}
TEST_F(RefereeModel, ReservedBitsInTables) {
    enable();
    put(leaves + 32, 0x30000 | 3 | 1ull << 11);
    submit({wait});
    expect_found("entry 4 of level 1 table");
    put(directory + 16, 0x201000 | 0x83);
    submit({wait});
    expect_found("entry 2 of level 2 table");
    put(top + 8, 0x80 | 3);
    submit({wait});
    expect_found("entry 1 of level 4 table");
}
TEST_F(RefereeModel, DirtyTableLinked) {
    enable();
    put(other_leaves + 16, 0xdeadbeef0000);
    put(directory + 8, other_leaves | 3);
    submit({wait});
    expect_found("not present but not empty");
}

class CachingModel : public RefereeModel {
protected:
    CachingModel() : RefereeModel(caching) {}
};
TEST_F(CachingModel, MapNeedsInvalidation) {
    enable();
    put(leaves + 16, 0x32000 | 3);
    submit({page(0x2000, 0, true), wait});
    referee_.at_answer("map");
    EXPECT_EQ(found(), "");
    put(leaves + 24, 0x33000 | 3);
    referee_.at_answer("map");
    expect_found("cached as not present");
}
TEST_F(CachingModel, AttachNeedsInvalidationOfDomainZero) {
    put(contexts + source * 16, 0);
    enable();
    put_context(domain, top);
    submit({contexts_of_device, translations_of_domain, wait});
    referee_.at_answer("attach");
    expect_found("cached as not present: context of 0x18");
}

}  // namespace
}  // namespace smmu::test::vtd
