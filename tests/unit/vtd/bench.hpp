// SPDX-License-Identifier: Apache-2.0
// Bench: one unit in software, table memory, and the driver opened on it.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "memory/gather.hpp"
#include "silicon.hpp"
#include "units/vtd/open.hpp"
#include "tests/unit/driving.hpp"

namespace bench {

using namespace smmu;

inline constexpr std::uint16_t nic = 0x0018, disk = 0x0020, remote = 0x0100;  // sources
inline constexpr std::uint64_t page = 0x1000;

// Objects of an instance of the service that was killed: nobody ends them, hardware goes on using
// their tables. Not even at the end of the test.
struct Instance;
struct Dead {
    std::vector<std::shared_ptr<Instance>> instances;
    std::vector<std::unique_ptr<units::AddressSpace>> spaces;
};
inline Dead& dead = *new Dead;

// One instance of the service, as far as the unit is concerned.
struct Instance {
    explicit Instance(silicon::Unit& unit) : machine(unit) {
        auto memory = machine.table_memory(std::nullopt, 0);
        auto opened = memory::Arena::open(*memory, machine.boot_identity());
        EXPECT_TRUE(opened) << opened.error().text;
        arena = std::move(*opened);
    }
    Result<void> open() {
        SMMU_TRY(iommu,
                 units::vtd::open(machine,
                                  units::described({{silicon::unit_base}, {silicon::unit_base + 0xfff}}, 46),
                                  *arena, *account, clock));
        return {};
    }
    std::unique_ptr<units::AddressSpace> space() {
        auto made = iommu->create_space(*account);
        EXPECT_TRUE(made) << made.error().text;
        return std::move(*made);
    }
    void retire(std::unique_ptr<units::AddressSpace>& space) {
        auto ended = iommu->retire(std::move(space));
        EXPECT_TRUE(ended) << ended.error().text;
    }
    static void kill(std::unique_ptr<Instance> instance,
                     std::vector<std::unique_ptr<units::AddressSpace>> spaces) {
        for (auto& space : spaces) dead.spaces.push_back(std::move(space));
        dead.instances.push_back(std::move(instance));
    }

    silicon::Machine machine;
    silicon::Time clock;
    std::unique_ptr<memory::Account> account = std::make_unique<memory::Account>();
    std::unique_ptr<memory::Arena> arena;
    std::unique_ptr<units::IommuUnit> iommu;
};

inline Result<void> map(units::AddressSpace& space, std::uint64_t iova, std::uint64_t memory,
                        std::uint64_t length, Access access = read_write) {
    return units::apply(space, paging::Map{{{iova}, {iova + length - 1}}, {memory}, access});
}
inline Result<void> unmap(units::AddressSpace& space, std::uint64_t iova, std::uint64_t length) {
    return units::apply(space, paging::Unmap{{{iova}, {iova + length - 1}}});
}

using units::Collected;

// The usual case: a unit found off, one space with one page at 0x5000, the nic in it and the disk
// blocked.
struct Bench {
    explicit Bench(silicon::Parameters parameters = {}) : unit(parameters), service(unit) {
        auto opened = service.open();
        EXPECT_TRUE(opened) << opened.error().text;
        if (!opened) return;
        first = service.space();
        EXPECT_TRUE(map(*first, 0x5000, 0x7000'5000, page));
    }
    ~Bench() {
        for (const std::string& complaint : unit.complaints) ADD_FAILURE() << complaint;
    }
    Bench(const Bench&) = delete;
    Bench& operator=(const Bench&) = delete;

    Result<units::TakeOver> take_over() {
        const units::Assignment assignments[] = {{StreamId{nic}, first.get()},
                                                 {StreamId{disk}, nullptr}};
        return service.iommu->take_over(assignments);
    }
    void end() {
        if (service.iommu->state() == units::UnitState::containing) {
            EXPECT_TRUE(service.iommu->block(StreamId{nic}, units::Recording::on));
            service.retire(first);
        } else {
            (void)service.iommu->retire(std::move(first));
        }
    }
    units::IommuUnit& iommu() { return *service.iommu; }
    bool passes(std::uint16_t source, std::uint64_t address, bool write = true) {
        return unit.dma(source, address, write).passed;
    }
    // Where in `commands` `text` stands, or the number of commands.
    std::size_t position(const std::string& text, std::size_t from = 0) const {
        for (std::size_t i = from; i < unit.commands.size(); ++i)
            if (unit.commands[i] == text) return i;
        return unit.commands.size();
    }

    silicon::Unit unit;
    Instance service;
    std::unique_ptr<units::AddressSpace> first;
};

}  // namespace bench
