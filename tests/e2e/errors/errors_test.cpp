// SPDX-License-Identifier: Apache-2.0
// Errors: what is refused, with which errno, to whom.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include "tests/e2e/machine_room.hpp"

namespace smmu::test {
namespace {

using testing::HasSubstr;

class Errors : public SharedRoom<Errors> {
protected:
    void SetUp() override {
        SharedRoom::SetUp();
        driver_ = room().driver();
        object_ = driver_.own(q35::edu_a);
        ASSERT_NE(object_, nullptr);
    }
    ClientProcess driver_;
    Object object_ = nullptr;
};

TEST_F(Errors, FlagsPidAndEntriesAreChecked) {
    EXPECT_TRUE(driver_.run([] { return long{smmu_init(1)}; }).failed_with(EINVAL));
    const auto create = [](unsigned flags) {
        return [flags] { return smmu_obj_create(flags) == nullptr ? -1L : 0L; };
    };
    EXPECT_TRUE(driver_.run(create(2)).failed_with(EINVAL));
    EXPECT_TRUE(driver_.map(object_, memory_base, page, rw | SMF_VIRT).failed_with(EINVAL));
    EXPECT_TRUE(driver_.map(object_, memory_base, page, 0x100 | rw).failed_with(EINVAL));
    EXPECT_TRUE(driver_.map(object_, memory_base, 0).failed_with(EINVAL));
    EXPECT_TRUE(driver_.map(object_, ~std::uint64_t{0}, 2).failed_with(EINVAL));
    EXPECT_TRUE(driver_.map(object_, 0x4000'0000, 2 * page, rw | SMF_TARGET, ~std::uint64_t{0} - 5)
                    .failed_with(EINVAL));
    const auto call = [object = object_](int pid, unsigned count) {
        return [=] { return long{smmu_mapping_add(object, rw, pid, count, nullptr, 0)}; };
    };
    EXPECT_TRUE(driver_.run(call(0, 1)).failed_with(EINVAL));
    EXPECT_TRUE(driver_.run(call(0, 0)).done()) << "nothing to do";
    EXPECT_TRUE(driver_.run(call(1, 0)).failed_with(EINVAL));
    EXPECT_TRUE(driver_.map(nullptr, memory_base, page).failed_with(EINVAL));
    const Object stale = driver_.create();
    ASSERT_TRUE(driver_.destroy(stale).done());
    EXPECT_TRUE(driver_.map(stale, memory_base, page).failed_with(EINVAL));
    EXPECT_TRUE(driver_.destroy(stale).failed_with(EINVAL));
    EXPECT_FALSE(room().writes(room().a(), memory_base)) << "none of them opened anything";
}

TEST_F(Errors, DevicesThatAreUnknownOrMisnamed) {
    const auto add = [object = object_](unsigned type, unsigned bus, unsigned dev, unsigned func) {
        return [=] {
            smmu_devid id{};
            id.pci = {type, bus, dev, func};
            return long{smmu_device_add_generic(object, &id)};
        };
    };
    EXPECT_TRUE(driver_.run(add(SDT_PCI, 0, 30, 0)).failed_with(ENOENT));
    EXPECT_TRUE(driver_.run(add(SDT_NUM_TYPES, 0, 3, 0)).failed_with(EINVAL));
    EXPECT_TRUE(driver_.run(add(99, 0, 3, 0)).failed_with(EINVAL));
    EXPECT_EQ(driver_.run(add(SDT_PCI, 0, 32, 0)).value, -1);
    EXPECT_EQ(driver_.run(add(SDT_PCI, 0, 3, 8)).value, -1);
    EXPECT_TRUE(driver_.run(add(SDT_PCI, 1 << 8, 3, 0)).failed_with(ENOENT)) << "segment 1";
    const Answer null =
        driver_.run([object = object_] { return long{smmu_device_add_generic(object, nullptr)}; });
    EXPECT_TRUE(null.failed_with(EINVAL));
    EXPECT_TRUE(driver_.remove(q35::edu_b).failed_with(ENOENT)) << "not attached by this caller";
    const Answer descriptor = driver_.run([] {
        smmu_devid id{};
        id.pci = {SDT_PCI, 0, 3, 0};
        return long{smmu_device_fd(&id)};
    });
    EXPECT_TRUE(descriptor.failed_with(ENOTSUP)) << testing::PrintToString(descriptor);
}

TEST_F(Errors, AddressesBeyondTheUnitAreOutOfRange) {
    constexpr std::uint64_t beyond = std::uint64_t{1} << 48;
    EXPECT_TRUE(driver_.map(object_, beyond, page).failed_with(ERANGE));
    EXPECT_TRUE(driver_.map(object_, beyond - page, 2 * page).failed_with(ERANGE));
    EXPECT_TRUE(
        driver_.map(object_, beyond, page, rw | SMF_TARGET, memory_base).failed_with(ERANGE));
    EXPECT_TRUE(driver_.map(object_, memory_base, page, rw | SMF_TARGET, std::uint64_t{1} << 52)
                    .failed_with(ERANGE));
    const Answer last = driver_.map(object_, beyond - page, page, rw | SMF_TARGET, memory_base);
    EXPECT_TRUE(last.done()) << testing::PrintToString(last);
    // Before a device says the width: judged when it comes.
    const Object other = driver_.create();
    ASSERT_TRUE(driver_.map(other, beyond, page).done());
    EXPECT_TRUE(driver_.add(other, q35::edu_b).failed_with(ERANGE));
}

TEST_F(Errors, ProtectedMemoryIsNeverGranted) {
    constexpr std::uint64_t tables = 0x800'0000;  // the usual place on this board
    const std::pair<std::uint64_t, const char*> places[] = {
        {q35::vtd_registers.first.value, "registers"},
        {q35::vtd_registers.first.value + 0xfff, ""},
        {tables, "table"},
        {tables + (16u << 20), "table"},
        {q35::ecam.value, "PCI"},
        {q35::ecam.value + (200u << 20), "PCI"},
        {0xfec0'0000, "interrupt"},
        {0xfee0'0000, ""},
        {0xfeef'ffff, ""}};
    for (const auto& [place, why] : places) {
        SCOPED_TRACE(fmt::format("{:#x}", place));
        const Answer answer = driver_.map(object_, place, 1);
        EXPECT_TRUE(answer.failed_with(EPERM)) << testing::PrintToString(answer);
        EXPECT_THAT(answer.text, HasSubstr(why));
        EXPECT_TRUE(driver_.map(object_, 0x4000'0000, 1, rw | SMF_TARGET, place & ~(page - 1))
                        .failed_with(EPERM))
            << "by way of a target";
    }
    // Rounding must not reach it, and a range must not run over it.
    EXPECT_TRUE(driver_.map(object_, tables - 1, 2).failed_with(EPERM));
    EXPECT_TRUE(driver_.map(object_, tables - page, 2 * page).failed_with(EPERM));
    EXPECT_TRUE(driver_.map(object_, 0, std::uint64_t{1} << 40).failed_with(EPERM));
    EXPECT_TRUE(driver_.map(object_, tables - page, page).done());
    // Interrupt messages are not translated: no device address may pretend to be one.
    EXPECT_TRUE(
        driver_.map(object_, 0xfee0'0000, page, rw | SMF_TARGET, memory_base).failed_with(EPERM));
    const Answer by_descriptor = driver_.run([object = object_] {
        return long{smmu_mapping_add_fd(object, rw, ClientProcess::ram_descriptor, tables, page,
                                        0x4000'0000)};
    });
    EXPECT_TRUE(by_descriptor.failed_with(EPERM)) << testing::PrintToString(by_descriptor);
}

TEST_F(Errors, AForkedChildHasNoConnectionAndConnectsAnew) {
    ASSERT_TRUE(driver_.map(object_, memory_base, page).done());
    const Answer answer = driver_.run([object = object_] {
        const pid_t child = fork();
        if (child == 0) {
            smmu_map_entry entry{};
            entry.phys = memory_base;
            entry.len = page;
            if (smmu_mapping_add(object, SMF_NONE, 0, 1, &entry, 0) != -1) _exit(1);
            if (errno != ENOTCONN) _exit(2);
            smmu_fini();  // must not end what the parent has
            if (smmu_init(0) != 0) _exit(3);
            if (smmu_mapping_add(object, SMF_NONE, 0, 1, &entry, 0) != -1) _exit(4);
            if (errno != EINVAL) _exit(5);
            smmu_fini();
            _exit(0);
        }
        int status = -1;
        waitpid(child, &status, 0);
        return long{status};
    });
    EXPECT_EQ(answer.value, 0) << (answer.value >> 8);
    EXPECT_TRUE(room().writes(room().a(), memory_base));
}

TEST_F(Errors, DestroyAndFiniPreserveErrno) {
    const Answer answer = driver_.run([object = object_] {
        errno = ELOOP;
        smmu_obj_destroy(object);
        smmu_obj_destroy(object);
        smmu_fini();
        smmu_fini();
        return errno == ELOOP ? 0L : -1L;
    });
    EXPECT_TRUE(answer.done());
}

TEST_F(Errors, ObjectsOfAUserAreCounted) {
    const Answer answer = driver_.run([] {
        long made = 0;
        while (smmu_obj_create(SOCF_NONE) != nullptr && made < 5000) ++made;
        return errno == EDQUOT ? made : -made;
    });
    EXPECT_EQ(answer.value, 1023) << "1024 for a user, one is there";
    EXPECT_TRUE(driver_.map(object_, memory_base, page).done());
    driver_.kill_now();
    ClientProcess next = room().driver();
    EXPECT_TRUE(eventually([&] { return next.create() != nullptr; })) << "and given back";
}

// A user that is not root, with the words that name it.
class Unprivileged : public SharedRoom<Unprivileged> {
public:
    static std::vector<std::string> words() {
        return {"smmu",
                "vtd",
                "ability",
                "attach",
                "user:nobody",
                "limit",
                "user:nobody",
                "pci:0:3.0",
                fmt::format("{:x},64K", memory_base),
                "limit",
                "user:nobody",
                "0000:00:04.0",
                fmt::format("{:x},4K,r", memory_base + 0x10000)};
    }

protected:
    void SetUp() override {
        if (geteuid() != 0) GTEST_SKIP() << "NOT TESTED: other users need root";
        SharedRoom::SetUp();
    }
};

TEST_F(Unprivileged, OnlyNamedDevicesAndMemoryAreGranted) {
    ClientProcess nobody = room().driver(ClientProcess::nobody);
    const Object object = nobody.create();
    EXPECT_TRUE(nobody.add(object, q35::edu_behind_port).failed_with(EPERM));
    ASSERT_TRUE(nobody.add(object, q35::edu_a).done());
    EXPECT_TRUE(nobody.map(object, memory_base, page).done());
    EXPECT_TRUE(room().writes(room().a(), memory_base));
    EXPECT_TRUE(nobody.map(object, memory_base + 15 * page, page).done());
    EXPECT_TRUE(nobody.map(object, memory_base - 1, 1).failed_with(EPERM)) << "rounding counts";
    EXPECT_TRUE(nobody.map(object, memory_base + 15 * page, page + 1).failed_with(EPERM));
    EXPECT_TRUE(nobody.map(object, memory_base + 16 * page, page, SMF_READ).done());
    EXPECT_TRUE(nobody.map(object, memory_base + 16 * page, page, rw).failed_with(EPERM));
    EXPECT_TRUE(nobody.map(object, memory_base + 15 * page, 2 * page, SMF_READ).done())
        << "two lines side by side";
    const Answer far = nobody.map(object, 0x900'0000 + (64u << 20), page);
    EXPECT_TRUE(far.failed_with(EPERM)) << testing::PrintToString(far);
}

TEST_F(Unprivileged, TargetAndManualNeedTheirAbility) {
    ClientProcess nobody = room().driver(ClientProcess::nobody);
    const Object object = nobody.own(q35::edu_a);
    ASSERT_NE(object, nullptr);
    EXPECT_TRUE(
        nobody.map(object, 0x4000'0000, page, rw | SMF_TARGET, memory_base).failed_with(EPERM));
    EXPECT_TRUE(nobody.map(object, 0x4000'0000, page, SMF_TARGET, memory_base).done())
        << "a removal needs none";
    const Answer manual =
        nobody.run([] { return smmu_obj_create(SOCF_RESERVED_MANUAL) == nullptr ? -1L : 0L; });
    EXPECT_TRUE(manual.failed_with(EPERM));
}

TEST_F(Unprivileged, MemoryByDescriptorNeedsNoRange) {
    ClientProcess nobody = room().driver(ClientProcess::nobody);
    const Object object = nobody.own(q35::edu_a);
    constexpr std::uint64_t elsewhere = memory_base + 0x100'0000;
    const Answer answer = nobody.run([object] {
        return long{smmu_mapping_add_fd(object, rw, ClientProcess::ram_descriptor, elsewhere, page,
                                        0x7000'0000)};
    });
    ASSERT_TRUE(answer.done()) << testing::PrintToString(answer);
    EXPECT_TRUE(room().writes(room().a(), 0x7000'0000, elsewhere));
}

TEST_F(Unprivileged, AUserWithoutTheAbilityIsNotAdmitted) {
    ClientProcess stranger = room().client(54'321);
    const Answer answer = stranger.init();
    EXPECT_TRUE(answer.failed_with(EPERM)) << testing::PrintToString(answer);
}

TEST_F(Unprivileged, ConnectionsOfAUserAreCounted) {
    std::vector<ClientProcess> held;
    Answer answer{};
    constexpr int more_than_the_quota = 300;
    for (int i = 0; i < more_than_the_quota; ++i) {
        held.push_back(room().client(ClientProcess::nobody));
        answer = held.back().init();
        if (!answer.done()) break;
    }
    EXPECT_TRUE(answer.failed_with(EDQUOT)) << testing::PrintToString(answer);
    EXPECT_EQ(held.size(), 257u);
    ClientProcess root = room().driver();
    EXPECT_NE(root.own(q35::edu_b), nullptr) << "others are not concerned";
}

}  // namespace
}  // namespace smmu::test
