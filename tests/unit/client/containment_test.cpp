// SPDX-License-Identifier: Apache-2.0
// Objects, devices and grants: what travels for each call, and what is refused before it travels.
#include <gmock/gmock.h>
#include <smmu_ext.h>
#include <sys/mman.h>

#include <atomic>
#include <cstring>

#include "client/query.hpp"
#include "client/session.hpp"
#include "fake_service.hpp"
#include "protocol/entries.hpp"

namespace smmu::client {
namespace {

using protocol::DeviceKind;
using protocol::DeviceName;
using protocol::Opcode;
using testing::ElementsAre;
using testing::Eq;
using testing::HasSubstr;

class Connected : public ClientTest {
protected:
    void SetUp() override {
        ClientTest::SetUp();
        ASSERT_EQ(smmu_init(0), 0);
        object = smmu_obj_create(SOCF_NONE);
        ASSERT_NE(object, nullptr);
        service.on(Opcode::device_add, [this](Received& request) {
            named = request.as<protocol::DeviceAddRequest>().device;
            return Answer::done();
        });
        service.on(Opcode::mapping, [this](Received& request) {
            mapping = request.as<protocol::MappingRequest>();
            entries.assign(mapping.count, {});
            const protocol::Request decoded{protocol::find_command(std::uint16_t(Opcode::mapping)),
                                            1, request.body, request.payload};
            by_file = request.descriptors.size() == 1;
            EXPECT_TRUE(protocol::count_entries(decoded, request.descriptors));
            EXPECT_TRUE(protocol::read_entries(decoded, request.descriptors, entries));
            return Answer::done();
        });
    }
    static smmu_map_entry entry(std::uint64_t address, std::uint64_t length) {
        smmu_map_entry entry{};
        entry.phys = address;
        entry.len = length;
        return entry;
    }
    smmu_object* object = nullptr;
    DeviceName named{};
    protocol::MappingRequest mapping{};
    std::vector<protocol::Entry> entries;
    bool by_file = false;
};

TEST_F(Connected, UnknownCreateFlagIsEinval) {
    EXPECT_EQ(smmu_obj_create(2), nullptr);
    EXPECT_EQ(errno, EINVAL);
    EXPECT_NE(smmu_obj_create(SOCF_RESERVED_MANUAL), nullptr);
}

TEST_F(Connected, QuotaReachesTheCaller) {
    service.on(Opcode::object_create,
               [](Received&) { return Answer::refusal(EDQUOT, "1,024 objects"); });
    EXPECT_EQ(smmu_obj_create(SOCF_NONE), nullptr);
    EXPECT_EQ(errno, EDQUOT);
    EXPECT_STREQ(smmu_strerror_last(), "1,024 objects");
}

TEST_F(Connected, NoWrongPointerIsFollowed) {
    int local = 0;
    smmu_object* destroyed = smmu_obj_create(SOCF_NONE);
    ASSERT_EQ(smmu_obj_destroy_checked(destroyed), 0);
    smmu_object* wrong[] = {
        destroyed, reinterpret_cast<smmu_object*>(&local), reinterpret_cast<smmu_object*>(1),
        reinterpret_cast<smmu_object*>(~std::uintptr_t{0}),
        reinterpret_cast<smmu_object*>(reinterpret_cast<std::uintptr_t>(object) + 1)};
    const smmu_map_entry some = entry(0, 1);
    for (smmu_object* pointer : wrong) {
        EXPECT_THAT(failure([&] { return smmu_obj_destroy_checked(pointer); }), Eq(EINVAL));
        EXPECT_THAT(failure([&] { return smmu_device_add_pci(pointer, 0, 1, 0); }), Eq(EINVAL));
        EXPECT_THAT(failure([&] { return smmu_mapping_add(pointer, SMF_READ, 0, 1, &some, 0); }),
                    Eq(EINVAL));
        EXPECT_THAT(failure([&] { return smmu_mapping_add_fd(pointer, SMF_READ, 0, 0, 1, 0); }),
                    Eq(EINVAL));
    }
    EXPECT_THAT(failure([&] { return smmu_mapping_add(nullptr, SMF_READ, 0, 1, &some, 0); }),
                Eq(EINVAL));
}

TEST_F(Connected, HandlesAreNeverGivenOutTwice) {
    smmu_object* first = smmu_obj_create(SOCF_NONE);
    smmu_obj_destroy(first);
    for (int i = 0; i < 100; ++i) {
        smmu_object* other = smmu_obj_create(SOCF_NONE);
        EXPECT_NE(other, first);
        smmu_obj_destroy(other);
    }
}

TEST_F(Connected, DestroyKeepsErrnoAndCheckedTells) {
    errno = 77;
    smmu_obj_destroy(nullptr);
    smmu_obj_destroy(reinterpret_cast<smmu_object*>(3));
    EXPECT_EQ(errno, 77);
    EXPECT_EQ(smmu_obj_destroy_checked(nullptr), 0);
    service.on(Opcode::object_destroy,
               [](Received&) { return Answer::refusal(EIO, "unit did not confirm"); });
    EXPECT_THAT(failure([&] { return smmu_obj_destroy_checked(object); }), Eq(EIO));
    EXPECT_THAT(failure([&] { return smmu_obj_destroy_checked(object); }), Eq(EINVAL))
        << "it is gone";
}

TEST_F(Connected, PciNamesTravel) {
    ASSERT_EQ(smmu_device_add_pci(object, 59, 3, 1), 0);
    EXPECT_EQ(named.kind, DeviceKind::pci);
    EXPECT_EQ(named.segment, 0u);
    EXPECT_EQ(named.bus, 59u);
    EXPECT_EQ(named.device, 3u);
    EXPECT_EQ(named.function, 1u);
    ASSERT_EQ(
        smmu_device_add_pci(object, SMMU_PCI_FIELD_ANY, SMMU_PCI_FIELD_ANY, SMMU_PCI_FIELD_ANY), 0);
    EXPECT_EQ(named.segment, 0u);
    EXPECT_EQ(named.bus, protocol::any_field);
    EXPECT_EQ(named.device, protocol::any_field);
    EXPECT_EQ(named.function, protocol::any_field);
    ASSERT_EQ(smmu_device_add_pci(object, smmu_pci_segment_bus(0xabcd, 0xef), 0, 0), 0);
    EXPECT_EQ(named.segment, 0xabcdu);
    EXPECT_EQ(named.bus, 0xefu);
    ASSERT_EQ(smmu_device_add_pci(object, smmu_pci_segment_bus(2, SMMU_PCI_FIELD_ANY), 0, 0), 0);
    EXPECT_EQ(named.segment, 2u);
    EXPECT_EQ(named.bus, protocol::any_field);
}

TEST_F(Connected, PciNumbersOutOfRangeAreEinval) {
    EXPECT_THAT(failure([&] { return smmu_device_add_pci(object, 0, 32, 0); }), Eq(EINVAL));
    EXPECT_THAT(failure([&] { return smmu_device_add_pci(object, 0, 0, 8); }), Eq(EINVAL));
    EXPECT_THAT(failure([&] { return smmu_device_add_pci(object, 1u << 25, 0, 0); }), Eq(EINVAL));
    EXPECT_THAT(failure([&] { return smmu_device_add_pci(object, 1u << 24 | 5, 0, 0); }),
                Eq(EINVAL));
}

TEST_F(Connected, OnlyTheMembersOfTheKindAreRead) {
    smmu_devid device;
    std::memset(&device, 0xff, sizeof(device));
    device.mmio.type = SDT_MMIO;
    device.mmio.phys = 0xe6ef0000;
    device.mmio.length = 0x1000;
    ASSERT_EQ(smmu_device_add_generic(object, &device), 0);
    EXPECT_EQ(named.kind, DeviceKind::mmio);
    EXPECT_EQ(named.base, 0xe6ef0000u);
    EXPECT_EQ(named.length, 0x1000u);
    EXPECT_EQ(named.bus, 0u);
    EXPECT_EQ(named.segment, 0u);
    std::memset(&device, 0xff, sizeof(device));
    device.pci = {SDT_PCI, 1, 2, 3};
    ASSERT_EQ(smmu_device_add_generic(object, &device), 0);
    EXPECT_EQ(named.base, 0u);
    EXPECT_EQ(named.length, 0u);
    device.type = SDT_NUM_TYPES;
    EXPECT_THAT(failure([&] { return smmu_device_add_generic(object, &device); }), Eq(EINVAL));
    EXPECT_THAT(failure([&] { return smmu_device_add_generic(object, nullptr); }), Eq(EINVAL));
}

TEST_F(Connected, NullObjectRemovesAndResultsComeBack) {
    bool removed = false;
    service.on(Opcode::device_remove, [&](Received& request) {
        removed = request.as<protocol::DeviceRemoveRequest>().device.base == 0x1000;
        return Answer::refusal(ENOENT, "not attached by this process");
    });
    EXPECT_THAT(failure([&] { return smmu_device_add_mmio(nullptr, 0x1000, 0x10); }), Eq(ENOENT));
    EXPECT_TRUE(removed);
    service.on(Opcode::device_add,
               [](Received&) { return Answer::refusal(EBUSY, "pid 7 (edu) has it in object 3"); });
    EXPECT_THAT(failure([&] { return smmu_device_add_mmio(object, 0x1000, 0x10); }), Eq(EBUSY));
    EXPECT_THAT(smmu_strerror_last(), HasSubstr("pid 7"));
}

TEST_F(Connected, ShortListsTravelInline) {
    const smmu_map_entry list[] = {entry(0x1000, 1), entry(0x5000, 0x2000)};
    ASSERT_EQ(smmu_mapping_add(object, SMF_READ | SMF_TARGET, 0, 2, list, 0x9000), 0);
    EXPECT_FALSE(by_file);
    EXPECT_EQ(mapping.flags, SMF_READ | SMF_TARGET);
    EXPECT_EQ(mapping.target, 0x9000u);
    ASSERT_EQ(entries.size(), 2u);
    EXPECT_EQ(entries[1].address, 0x5000u);
    EXPECT_EQ(entries[1].length, 0x2000u);
    ASSERT_EQ(smmu_mapping_add(object, SMF_NONE, 0, 1, list, 0x9000), 0);
    EXPECT_EQ(mapping.flags, 0u);
    EXPECT_EQ(mapping.target, 0u) << "ignored without SMF_TARGET";
}

TEST_F(Connected, LongListsTravelInASealedFile) {
    std::vector<smmu_map_entry> list(protocol::inline_entries, entry(0x1000, 0x1000));
    ASSERT_EQ(smmu_mapping_add(object, SMF_WRITE, 0, unsigned(list.size()), list.data(), 0), 0);
    EXPECT_FALSE(by_file);
    list.push_back(entry(0x7000, 3));
    ASSERT_EQ(smmu_mapping_add(object, SMF_WRITE, 0, unsigned(list.size()), list.data(), 0), 0);
    EXPECT_TRUE(by_file);
    EXPECT_EQ(entries.back().address, 0x7000u);
    EXPECT_EQ(entries.back().length, 3u);
    list.assign(protocol::entries_limit, entry(0x1000, 0x1000));
    ASSERT_EQ(smmu_mapping_add(object, SMF_WRITE, 0, unsigned(list.size()), list.data(), 0), 0);
    list.push_back(entry(0, 1));
    EXPECT_THAT(failure([&] {
                    return smmu_mapping_add(object, SMF_WRITE, 0, unsigned(list.size()),
                                            list.data(), 0);
                }),
                Eq(E2BIG));
}

TEST_F(Connected, WrongMappingsAreRefusedHere) {
    const smmu_map_entry some = entry(0, 1);
    EXPECT_THAT(
        failure([&] { return smmu_mapping_add(object, SMF_READ | SMF_VIRT, 0, 1, &some, 0); }),
        Eq(EINVAL));
    EXPECT_THAT(failure([&] { return smmu_mapping_add(object, 0x20, 0, 1, &some, 0); }),
                Eq(EINVAL));
    EXPECT_THAT(failure([&] { return smmu_mapping_add(object, SMF_READ, 1, 1, &some, 0); }),
                Eq(EINVAL));
    EXPECT_THAT(failure([&] { return smmu_mapping_add(object, SMF_READ, 0, 1, nullptr, 0); }),
                Eq(EINVAL));
    EXPECT_EQ(smmu_mapping_add(object, SMF_READ, 0, 0, nullptr, 0), 0);
    EXPECT_THAT(service.seen(), ElementsAre(Opcode::object_create));
}

TEST_F(Connected, MemoryByDescriptorTravels) {
    const UniqueFd file(memfd_create("test", MFD_CLOEXEC));
    protocol::MappingDescriptorRequest seen{};
    bool with_file = false;
    service.on(Opcode::mapping_descriptor, [&](Received& request) {
        seen = request.as<protocol::MappingDescriptorRequest>();
        with_file = request.descriptors.size() == 1;
        return Answer::done();
    });
    ASSERT_EQ(
        smmu_mapping_add_fd(object, SMF_READ | SMF_EXEC, file.get(), 0x1000, 0x2000, 0x8000'0000),
        0);
    EXPECT_TRUE(with_file);
    EXPECT_EQ(seen.flags, SMF_READ | SMF_EXEC);
    EXPECT_EQ(seen.offset, 0x1000u);
    EXPECT_EQ(seen.length, 0x2000u);
    EXPECT_EQ(seen.address, 0x8000'0000u);
    EXPECT_THAT(failure([&] { return smmu_mapping_add_fd(object, SMF_NONE, file.get(), 0, 1, 0); }),
                Eq(EINVAL));
    EXPECT_THAT(
        failure([&] { return smmu_mapping_add_fd(object, SMF_TARGET | 1, file.get(), 0, 1, 0); }),
        Eq(EINVAL));
    EXPECT_THAT(failure([&] { return smmu_mapping_add_fd(object, SMF_READ, -1, 0, 1, 0); }),
                Eq(EBADF));
    EXPECT_THAT(failure([&] { return smmu_mapping_add_fd(object, SMF_READ, 9999, 0, 1, 0); }),
                Eq(EBADF));
    EXPECT_EQ(smmu_device_add_pci(object, 0, 1, 0), 0) << "the connection lives on";
}

TEST_F(Connected, ReservedRegionsAreReadInPieces) {
    service.on(Opcode::report_reserved, [](Received& request) {
        const auto wanted = request.as<protocol::ReportReservedRequest>();
        std::vector<protocol::Entry> regions;
        for (std::uint32_t i = wanted.offset; i < 5 && regions.size() < wanted.count; ++i)
            regions.push_back({i * 0x1000, 0x100});
        Answer answer = Answer::done(std::int32_t(regions.size()));
        const auto bytes = std::as_bytes(std::span(regions));
        answer.payload.assign(bytes.begin(), bytes.end());
        return answer;
    });
    smmu_devid device{};
    device.pci = {SDT_PCI, 0, 20, 0};
    smmu_map_entry regions[2]{};
    unsigned offset = 0;
    std::vector<std::uint64_t> found;
    while (const unsigned count = smmu_device_report_reserved(&device, offset, regions, 2)) {
        ASSERT_LE(count, 2u);
        for (unsigned i = 0; i < count; ++i) found.push_back(regions[i].phys);
        offset += count;
    }
    EXPECT_THAT(found, ElementsAre(0u, 0x1000u, 0x2000u, 0x3000u, 0x4000u));
    EXPECT_EQ(smmu_device_report_reserved(&device, 0, regions, 0), ~0u);
    EXPECT_EQ(errno, EINVAL);
    EXPECT_EQ(smmu_device_report_reserved(&device, 0, nullptr, 2), ~0u);
    service.on(Opcode::report_reserved,
               [](Received&) { return Answer::refusal(ENOENT, "unknown"); });
    EXPECT_EQ(smmu_device_report_reserved(&device, 0, regions, 2), ~0u);
    EXPECT_EQ(errno, ENOENT);
}

TEST_F(Connected, SafetyIsYesOrNo) {
    EXPECT_EQ(smmu_safety(), SMMUMAN_SAFETY_NO);
    service.on(Opcode::safety, [](Received&) { return Answer::done(SMMUMAN_SAFETY_YES); });
    EXPECT_EQ(smmu_safety(), SMMUMAN_SAFETY_YES);
    service.on(Opcode::safety, [](Received&) { return Answer::refusal(EIO, "cannot tell"); });
    EXPECT_THAT(failure([] { return smmu_safety(); }), Eq(EIO));
}

TEST_F(Connected, DeviceDescriptorComesOverOrIsEnotsup) {
    smmu_devid device{};
    device.pci = {SDT_PCI, 0, 1, 0};
    service.on(Opcode::device_descriptor, [](Received&) {
        return Answer::refusal(ENOTSUP, "behind a unit that smmuman programs itself");
    });
    EXPECT_THAT(failure([&] { return smmu_device_fd(&device); }), Eq(ENOTSUP));
    const UniqueFd file(memfd_create("device", MFD_CLOEXEC));
    service.on(Opcode::device_descriptor, [&](Received&) {
        Answer answer = Answer::done();
        answer.descriptor = file.get();
        return answer;
    });
    const UniqueFd got(smmu_device_fd(&device));
    EXPECT_TRUE(got);
}

TEST_F(Connected, ViewsAreFilesOfText) {
    const std::string text = R"({"schema":1})";
    auto file = protocol::seal(std::as_bytes(std::span(text)));
    service.on(Opcode::query, [&](Received& request) {
        EXPECT_EQ(request.as<protocol::QueryRequest>().view, protocol::View::status);
        Answer answer = Answer::done();
        answer.descriptor = file->get();
        return answer;
    });
    const auto got = query(protocol::View::status);
    ASSERT_TRUE(got);
    std::string read(100, '\0');
    const ssize_t count = pread(got->get(), read.data(), read.size(), 0);
    EXPECT_EQ(read.substr(0, std::size_t(count)), text);
}

TEST_F(Connected, ConfusedServiceIsLeft) {
    service.on(Opcode::mapping_descriptor, [](Received&) {
        Answer answer = Answer::done();
        answer.body.resize(4);
        return answer;
    });
    EXPECT_THAT(failure([&] { return smmu_mapping_add_fd(object, SMF_READ, 0, 0, 1, 0); }),
                Eq(EPROTO));
    EXPECT_THAT(failure([&] { return smmu_device_add_pci(object, 0, 1, 0); }), Eq(ENOTCONN));
}

TEST_F(Connected, ManyThreadsShareTheConnection) {
    std::atomic<int> wrong = 0;
    service.on(Opcode::mapping, [](Received& request) {
        // The sentence lets each thread recognise the answer to its own question.
        return Answer::refusal(EPERM,
                               std::to_string(request.as<protocol::MappingRequest>().target));
    });
    std::vector<std::thread> threads;
    for (unsigned id = 0; id < 6; ++id) {
        threads.emplace_back([&, id] {
            const smmu_map_entry some = entry(0x1000, 1);
            for (unsigned i = 0; i < 100; ++i) {
                if (smmu_init(0) != 0) ++wrong;
                smmu_object* own = smmu_obj_create(SOCF_NONE);
                const unsigned target = id * 1000 + i;
                if (smmu_mapping_add(own, SMF_READ | SMF_TARGET, 0, 1, &some, target) != -1)
                    ++wrong;
                if (smmu_strerror_last() != std::to_string(target)) ++wrong;
                smmu_obj_destroy(own);
                smmu_fini();
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace smmu::client
