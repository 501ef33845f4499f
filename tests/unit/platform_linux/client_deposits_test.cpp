// SPDX-License-Identifier: Apache-2.0
// Who lets a client's memory go: its end, or the next service; not the end of a service that could not confirm.
#include "platform/linux/client_deposits.hpp"

#include <gmock/gmock.h>
#include <sys/mman.h>

#include "tests/unit/holder/holder_thread.hpp"

namespace smmu::platform::linux {
namespace {

using holder::test::HolderThread;

holder::Deposit some_memory() {
    holder::Deposit deposit;
    deposit.descriptors.emplace_back(memfd_create("client", MFD_CLOEXEC));
    return deposit;
}

TEST(ClientDeposits, LetGoByTheirEnd) {
    HolderThread holder;
    const auto deposits = std::make_shared<ClientDeposits>(holder.path());
    {
        const auto first = ClientDeposits::keep(deposits, some_memory());
        ASSERT_TRUE(first) << first.error().text;
        const auto second = ClientDeposits::keep(deposits, some_memory());
        ASSERT_TRUE(second) << second.error().text;
        EXPECT_EQ(holder.deposits(), 2u);
    }
    EXPECT_EQ(holder.deposits(), 0u);
}

TEST(ClientDeposits, RetainedUntilTheNextServiceHasTheUnits) {
    HolderThread holder;
    {
        const auto deposits = std::make_shared<ClientDeposits>(holder.path());
        const auto kept = ClientDeposits::keep(deposits, some_memory());
        ASSERT_TRUE(kept);
        deposits->retain();
    }
    EXPECT_EQ(holder.deposits(), 1u);
    const auto next = std::make_shared<ClientDeposits>(holder.path());
    EXPECT_EQ(holder.deposits(), 1u) << "not before it says so";
    next->release_earlier();
    EXPECT_EQ(holder.deposits(), 0u);
}

TEST(ClientDeposits, OfTwoServicesDoNotMeet) {
    HolderThread holder;
    const auto first = std::make_shared<ClientDeposits>(holder.path()), second = std::make_shared<ClientDeposits>(holder.path());
    const auto a = ClientDeposits::keep(first, some_memory()), b = ClientDeposits::keep(second, some_memory());
    EXPECT_TRUE(a && b);
    EXPECT_EQ(holder.deposits(), 2u);
}

TEST(ClientDeposits, AreGivenToAHolderThatIsNew) {
    HolderThread holder, next;
    const auto deposits = std::make_shared<ClientDeposits>(holder.path());
    EXPECT_FALSE(deposits->any());
    {
        const auto kept = ClientDeposits::keep(deposits, some_memory()), further = ClientDeposits::keep(deposits, some_memory());
        EXPECT_TRUE(deposits->any());
        const holder::Client client(next.path());
        ASSERT_TRUE(deposits->keep_again(client));
        EXPECT_EQ(next.deposits(), 2u);
        ASSERT_TRUE(deposits->keep_again(client)) << "what it has stays";
        EXPECT_EQ(next.deposits(), 2u);
        EXPECT_FALSE(deposits->keep_again(holder::Client("/nowhere/at/all")));
    }
    EXPECT_FALSE(deposits->any());
}

TEST(ClientDeposits, NoMemoryWithoutAHolder) {
    const auto deposits = std::make_shared<ClientDeposits>("/nowhere/at/all");
    deposits->release_earlier();
    EXPECT_EQ(ClientDeposits::keep(deposits, some_memory()).error().code, ENOENT);
}

}  // namespace
}  // namespace smmu::platform::linux
