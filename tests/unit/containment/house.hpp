// SPDX-License-Identifier: Apache-2.0
// A small machine with everything the rules speak of, and short words for using it.
//
//   pci 00:01.0  alone, unit 0            pci 00:02.0 + 00:02.1  one group that shares a stream,
//   unit 0 pci 00:03.0  startup + reserved, unit 0     pci 00:04.0  the host's pci 00:05.0  behind
//   no unit           pci 00:06.0  a bridge mem 0xa00000 unit 1 (64 KiB granules)       mem
//   0xb00000,0x1000 on both units
#pragma once

#include "tests/unit/containment/fake_unit.hpp"

namespace smmu::containment::testing {

inline constexpr std::uint64_t KiB = 1024, page = 4 * KiB;
inline const PciQuery alone{0, 0, 1, 0}, twin{0, 0, 2, 0}, other_twin{0, 0, 2, 1},
    starter{0, 0, 3, 0}, hosted{0, 0, 4, 0}, stray{0, 0, 5, 0};
inline const MmioQuery coarse{PhysAddr{0xa00000}, 0}, both{PhysAddr{0xb00000}, 0};

inline PhysRange phys(std::uint64_t first, std::uint64_t length) {
    return *PhysRange::from_length(PhysAddr{first}, length);
}
inline IovaRange iova(std::uint64_t first, std::uint64_t length) {
    return *IovaRange::from_length(Iova{first}, length);
}

inline topology::Device pci_device(unsigned device, unsigned function,
                                   std::vector<topology::Stream> streams, std::uint32_t group) {
    topology::Device made;
    made.id = topology::PciAddress{0, 0, std::uint8_t(device), std::uint8_t(function)};
    made.streams = std::move(streams);
    made.registers = {phys(0xf0000000 + device * 0x100000 + function * 0x10000, 0x1000)};
    made.group = GroupId{group};
    return made;
}

inline topology::Topology small_machine() {
    using topology::Grant;
    topology::Topology m;
    for (int i = 0; i < 2; ++i) {
        topology::Unit unit;
        unit.kind = topology::UnitKind::vtd;
        unit.name = "unit" + std::to_string(i);
        m.units.push_back(unit);
    }
    const auto stream = [](std::uint32_t unit, std::uint32_t id) {
        return topology::Stream{UnitId{unit}, StreamId{id}, {}};
    };
    m.devices.push_back(pci_device(1, 0, {stream(0, 8)}, 0));
    m.devices.push_back(pci_device(2, 0, {stream(0, 16), stream(0, 17)}, 1));
    m.devices.push_back(pci_device(2, 1, {stream(0, 17)}, 1));
    auto startup = pci_device(3, 0, {stream(0, 24), stream(0, 25)}, 2);
    startup.grants = {{Grant::Kind::startup, phys(0x50000, 0x2000), read_write, true, {}},
                      {Grant::Kind::reserved, phys(0x60000, 0x1000), read_write, true, {}},
                      {Grant::Kind::reserved, phys(0x68000, 0x1000), read_write, false, {}},
                      {Grant::Kind::doorbell, phys(0x70000, 0x1000), Access::write, true, {}}};
    m.devices.push_back(startup);
    auto host = pci_device(4, 0, {stream(0, 32)}, 3);
    host.host = true;
    host.grants = {{Grant::Kind::startup, phys(0, 0x80000), read_write, true, {}}};
    m.devices.push_back(host);
    m.devices.push_back(pci_device(5, 0, {}, 4));
    auto bridge = pci_device(6, 0, {stream(0, 48)}, 5);
    bridge.is_bridge = true;
    m.devices.push_back(bridge);
    topology::Device block;
    block.id = topology::MmioBlock{PhysAddr{0xa00000}, 0x1000};
    block.streams = {stream(1, 1)};
    block.registers = {phys(0xa00000, 0x1000)};
    block.group = GroupId{6};
    m.devices.push_back(block);
    block.id = topology::MmioBlock{PhysAddr{0xb00000}, 0x1000};
    block.streams = {stream(0, 100), stream(1, 2)};
    block.registers = {phys(0xb00000, 0x1000)};
    block.group = GroupId{7};
    m.devices.push_back(block);
    m.groups.resize(8);
    for (std::size_t i = 0; i < m.devices.size(); ++i)
        m.groups[raw(m.devices[i].group)].devices.push_back(DeviceIndex(std::uint32_t(i)));
    m.protected_memory = {{phys(0xfed90000, 0x1000), "registers of unit0"},
                          {phys(0x51800, 0x100), "table memory"}};
    return m;
}

inline Identity somebody(pid_t pid, uid_t uid = 1000) {
    Identity identity;
    identity.pid = pid;
    identity.uid = uid;
    identity.command = "driver" + std::to_string(pid);
    identity.abilities = {.attach = true, .target = true};
    identity.unlimited = true;
    return identity;
}

class House : public ::testing::Test {
public:
    House() { build(small_machine()); }
    ~House() override {
        service.reset();
        EXPECT_EQ(machine.plans, 0) << "a plan was neither carried out nor given back";
        EXPECT_EQ(machine.count("RELEASED WHILE REACHABLE"), 0u);
        EXPECT_EQ(machine.count("RETIRED WHILE ATTACHED"), 0u);
    }
    void build(topology::Topology topology, Policy policy = {}) {
        service.reset();
        machine.units.clear();
        std::vector<DrivenUnit> drivers(2);
        unit0 = new FakeUnit(machine, 0, 12);
        unit1 = new FakeUnit(machine, 1, 16);
        unit0->found = found;
        unit0->capabilities_.never_grantable = iova(0xfee00000, 0x100000);
        drivers[0].driver.reset(unit0);
        drivers[1].driver.reset(unit1);
        service = std::make_unique<Containment>(std::move(topology), std::move(drivers), control,
                                                clock, policy);
        for (const auto& result : service->take_over()) EXPECT_TRUE(result) << result.error().text;
    }

    ClientId client(pid_t pid, uid_t uid = 1000) { return *service->connect(somebody(pid, uid)); }
    ObjectId object(ClientId owner, bool manual = false) {
        return *service->create_object(owner, manual);
    }

    static int run(Result<std::shared_ptr<Operation>> operation) {
        if (!operation) return operation.error().code;
        units::Budget budget;
        while ((*operation)->step(budget) == units::Progress::more) budget = {};
        const auto result = (*operation)->result();
        return result ? 0 : result.error().code;
    }
    int add(ClientId owner, ObjectId to, const DeviceQuery& device) {
        return run(service->add_device(owner, to, device));
    }
    int remove(ClientId owner, const DeviceQuery& device) {
        const auto result = service->remove_device(owner, device);
        return result ? 0 : result.error().code;
    }
    int destroy(ClientId owner, ObjectId which) {
        const auto result = service->destroy_object(owner, which);
        return result ? 0 : result.error().code;
    }
    static GrantRequest request(std::uint64_t address, std::uint64_t length,
                                Access access = read_write) {
        GrantRequest made;
        made.pieces = {{iova(address, length), PhysAddr{address}}};
        made.access = access;
        return made;
    }
    static GrantRequest translated(std::uint64_t address, std::uint64_t length,
                                   std::uint64_t target, Access access = read_write) {
        GrantRequest made;
        made.pieces = {{iova(address, length), PhysAddr{target}}};
        made.access = access;
        made.translated = true;
        return made;
    }
    int grant(ClientId owner, ObjectId to, GrantRequest what) {
        return run(service->change_grants(owner, to, std::move(what)));
    }
    int grant(ClientId owner, ObjectId to, std::uint64_t address, std::uint64_t length,
              Access access = read_write) {
        return grant(owner, to, request(address, length, access));
    }
    // "rw", "r", "w" or "-": what a stream may do at an address.
    static std::string may(const FakeUnit* unit, std::uint32_t stream, std::uint64_t address) {
        const auto leaf = unit->reach(StreamId{stream}, Iova{address});
        if (!leaf) return "-";
        return std::string(permits(leaf->access, Access::read) ? "r" : "") +
               (permits(leaf->access, Access::write) ? "w" : "") +
               (permits(leaf->access, Access::execute) ? "x" : "");
    }
    std::string text(Result<std::shared_ptr<Operation>> operation) {
        return operation ? "" : operation.error().text;
    }

    units::Found found = units::Found::off;  // what unit 0 is in when it is taken over
    FakeMachine machine;
    FakeControl control{machine};
    FakeClock clock;
    FakeUnit* unit0 = nullptr;
    FakeUnit* unit1 = nullptr;
    std::unique_ptr<Containment> service;
};

}  // namespace smmu::containment::testing
