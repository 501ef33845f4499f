// SPDX-License-Identifier: Apache-2.0
// Pins that hold what was seen, and what the holder hands back: neither is believed.
#include "platform/linux/held_pages.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <linux/memfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>

#include "platform/linux/huge_file.hpp"
#include "platform/linux/kept_tables.hpp"
#include "tests/unit/holder/holder_thread.hpp"
#include "fake_host.hpp"

namespace smmu::platform::linux {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// Pages that are somewhere else at each look for so many tries, and what became of the pins.
struct Moving {
    int moves;
    Error error{EIO, "not in memory"};
    bool vanish = false;
    int looks = 0, pins = 0;

    Result<HeldPages> held() {
        const auto look = [this]() -> Result<Whereabouts> {
            ++looks;
            return Whereabouts([this, asked = 0]() mutable -> Result<std::vector<PhysAddr>> {
                const bool later = asked++ > 0;
                if (later && looks <= moves && vanish) return std::unexpected(error);
                return std::vector<PhysAddr>{{later && looks <= moves ? 0x400000u : 0x200000u}};
            });
        };
        const auto pin = [this]() -> Result<std::vector<UniqueFd>> {
            ++pins;
            std::vector<UniqueFd> made;
            made.emplace_back(::open("/dev/null", O_RDONLY | O_CLOEXEC));
            return made;
        };
        return hold(look, pin);
    }
};

TEST(HeldPages, AreWhereTheyWereSeen) {
    Moving still{0};
    const auto held = still.held();
    ASSERT_TRUE(held) << held.error().text;
    EXPECT_THAT(held->addresses, ElementsAre(PhysAddr{0x200000}));
    EXPECT_EQ(held->pins.size(), 1u);
    EXPECT_EQ(still.pins, 1);
}

TEST(HeldPages, ThatMovedArePinnedAgain) {
    for (const bool vanish : {false, true}) {
        Moving moving{.moves = most_tries_to_hold - 1, .vanish = vanish};
        const auto held = moving.held();
        ASSERT_TRUE(held) << held.error().text;
        EXPECT_EQ(held->pins.size(), 1u) << "pins of the wrong pages are let go";
        EXPECT_EQ(moving.pins, most_tries_to_hold);
    }
}

TEST(HeldPages, ThatMoveForEverAreRefused) {
    for (const bool vanish : {false, true}) {
        Moving moving{.moves = most_tries_to_hold + 1, .vanish = vanish};
        EXPECT_EQ(moving.held().error().code, EAGAIN);
        EXPECT_EQ(moving.pins, most_tries_to_hold);
    }
}

constexpr int sealed = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

holder::Deposit deposit(std::initializer_list<std::uint32_t> pages, int seals = sealed, unsigned flags = MFD_HUGETLB | MFD_HUGE_2MB) {
    holder::Deposit made;
    made.descriptors.emplace_back(memfd_create("tables", MFD_CLOEXEC | MFD_ALLOW_SEALING | flags));
    EXPECT_EQ(ftruncate(made.descriptors.front().get(), 4 * huge_page_bytes), 0);
    EXPECT_EQ(fcntl(made.descriptors.front().get(), F_ADD_SEALS, seals), 0);
    made.descriptors.emplace_back(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    const auto bytes = std::as_bytes(std::span(pages.begin(), pages.size()));
    made.note.assign(bytes.begin(), bytes.end());
    return made;
}

bool has_huge_pages() { return UniqueFd(memfd_create("huge", MFD_CLOEXEC | MFD_HUGETLB | MFD_HUGE_2MB)).get() >= 0; }

TEST(KeptDeposit, IsAFileOfSealedHugePages) {
    if (!has_huge_pages()) GTEST_SKIP() << "this kernel has no huge pages";
    EXPECT_TRUE(check_deposit(deposit({2, 0, 1})));
    const auto refused = [](const holder::Deposit& wrong) {
        const auto checked = check_deposit(wrong);
        return checked ? std::string("taken") : checked.error().text;
    };
    EXPECT_THAT(refused({}), HasSubstr("pins are missing"));
    EXPECT_THAT(refused(deposit({0}, sealed, 0)), HasSubstr("no huge pages"));
    EXPECT_THAT(refused(deposit({0}, F_SEAL_SHRINK | F_SEAL_SEAL)), HasSubstr("not sealed"));
    EXPECT_THAT(refused(deposit({0}, F_SEAL_SHRINK | F_SEAL_GROW)), HasSubstr("not sealed"));
    EXPECT_THAT(refused(deposit({})), HasSubstr("which pages"));
    EXPECT_THAT(refused(deposit({1, 4})), HasSubstr("not those of its file"));
    EXPECT_THAT(refused(deposit({1, 2, 1})), HasSubstr("not those of its file"));
    holder::Deposit odd = deposit({1});
    odd.note.push_back(std::byte{});
    EXPECT_THAT(refused(odd), HasSubstr("which pages"));
}

TEST(KeptDeposit, ThatIsWrongIsNeitherTakenNorReplaced) {
    holder::test::HolderThread holder;
    const test::FakeHost host;
    const holder::Client client(holder.path());
    ASSERT_TRUE(client.keep("table memory", deposit({0}, sealed, 0)));
    EXPECT_EQ(KeptTables::open(host.files(), holder.path(), huge_page_bytes).error().code, EPROTO);
    EXPECT_EQ(KeptTables::find(host.files(), holder.path()).error().code, EPROTO);
    EXPECT_EQ(holder.deposits(), 1u);
}

TEST(KeptDeposit, OfAHolderThatHasNone) {
    holder::test::HolderThread holder;
    const test::FakeHost host;
    EXPECT_EQ(KeptTables::find(host.files(), holder.path()).error().code, ENOENT);
    EXPECT_EQ(KeptTables::find(host.files(), "/nowhere/at/all").error().code, ENOENT);
}

}  // namespace
}  // namespace smmu::platform::linux
