// SPDX-License-Identifier: Apache-2.0
// DriverBench: the driver on the model of an R-Car in the same process: ports that can be disturbed, DMA of every master,
// and watches that do DMA after each register write.
#pragma once

#include <functional>
#include <set>

#include "memory/arena.hpp"
#include "memory/gather.hpp"
#include "platform/platform.hpp"
#include "tests/models/rcar/bench.hpp"
#include "units/ipmmu/open.hpp"
#include "tests/unit/driving.hpp"

namespace smmu::units::ipmmu::test {

using model::rcar::memory_a;
using model::rcar::memory_b;
using topology::micro_tlb;

constexpr std::uint64_t page = 0x1000;
constexpr PhysRange table_range{{0x44000000}, {0x447fffff}};

// The machine whose walker hears of cache cleans (memory::write_back is this program's own).
inline model::rcar::RcarMachine* cleaned_machine = nullptr;

// What lies between the driver and the model.
struct Line {
    model::rcar::RcarMachine* machine = nullptr;
    std::function<void()> after_write;
    std::function<std::uint32_t(std::uint64_t address, std::uint32_t value)> on_read;
    std::function<bool(std::uint64_t address)> swallows;
    std::uint64_t writes = 0;
    std::uint64_t dies_after = ~std::uint64_t{0};  // writes; the driver is dead then

    std::uint64_t perform(link::Operation operation) const {
        std::uint64_t value = 0;
        EXPECT_TRUE(machine->perform({&operation, 1}, {&value, 1}));
        return value;
    }
};

class Port final : public hw::Mmio {
public:
    Port(Line& line, PhysAddr base) : line_(line), base_(base) {}
    std::uint32_t read32(std::uint64_t offset) noexcept override {
        const auto value = std::uint32_t(line_.perform(link::Operation::read(base_ + offset, 4)));
        return line_.on_read ? line_.on_read((base_ + offset).value, value) : value;
    }
    std::uint64_t read64(std::uint64_t) noexcept override { return unexpected(); }
    void write32(std::uint64_t offset, std::uint32_t value) noexcept override {
        if (line_.writes >= line_.dies_after) return;
        ++line_.writes;
        if (line_.swallows && line_.swallows((base_ + offset).value)) return;
        line_.perform(link::Operation::write(base_ + offset, 4, value));
        if (line_.after_write) line_.after_write();
    }
    void write64(std::uint64_t, std::uint64_t) noexcept override { unexpected(); }

private:
    static std::uint64_t unexpected() {
        ADD_FAILURE() << "registers of an IPMMU have 32 bits";
        return 0;
    }
    Line& line_;
    PhysAddr base_;
};

class ModelPlatform final : public platform::Platform {
public:
    explicit ModelPlatform(Line& line) : line_(line) {}
    std::string name() const override { return "model"; }
    memory::BootIdentity boot_identity() const override { return {1}; }
    std::vector<PhysRange> ram() const override { return {}; }
    Result<std::vector<platform::RawTable>> firmware_tables() override { return fail(ENOTSUP, "none"); }
    Result<std::unique_ptr<hw::Mmio>> registers(PhysRange range) override {
        return std::make_unique<Port>(line_, range.first);
    }
    Result<std::unique_ptr<platform::PciConfig>> pci_config(std::span<const platform::EcamWindow>) override {
        return fail(ENOTSUP, "none");
    }
    Result<memory::TableMemory> table_memory(std::optional<PhysRange>, std::uint64_t) override {
        return fail(ENOTSUP, "none");
    }
    Result<std::unique_ptr<platform::PinnedMemory>> pin(UniqueFd, std::uint64_t, std::uint64_t) override {
        return fail(ENOTSUP, "none");
    }

private:
    Line& line_;
};

inline Result<void> grant(AddressSpace& space, std::uint64_t iova, std::uint64_t memory, Access access = read_write) {
    return apply(space, paging::Map{{{iova}, {iova + page - 1}}, {memory}, access});
}
inline Result<void> revoke(AddressSpace& space, std::uint64_t iova) {
    return apply(space, paging::Unmap{{{iova}, {iova + page - 1}}});
}

class DriverBench : public model::rcar::Bench {
protected:
    ~DriverBench() override {
        end_driver();
        cleaned_machine = nullptr;
    }

    void start(std::string_view name, std::vector<model::rcar::Domain> off = {}, model::rcar::Behaviour behaviour = {}) {
        model::rcar::MachineFacts facts;
        facts.product = *model::rcar::product(name);
        facts.behaviour = behaviour;
        facts.behaviour.sees_cleaning = true;
        facts.off = std::move(off);
        boot(std::move(facts));
        cleaned_machine = machine.get();
        line.machine = machine.get();
        describe_all();
    }
    void describe_all() {
        const auto& product = machine->facts().product;
        unit = {};
        unit.kind = topology::UnitKind::ipmmu;
        unit.name = "mm";
        unit.registers = {{product.main_base}, {product.main_base + product.window_bytes() - 1}};
        unit.origin = {"test.smmu:1"};
        for (const auto& cache : product.units) describe(cache);
    }
    void describe(const model::rcar::UnitFacts& cache) {
        const std::uint64_t bytes = machine->facts().product.window_bytes();
        unit.caches.push_back({cache.name, {{cache.base}, {cache.base + bytes - 1}}, cache.bit, {"test.smmu:2"}});
    }
    void describe_only(std::string_view name) {
        std::erase_if(unit.caches, [&](const auto& cache) { return cache.name != name; });
    }
    StreamId stream(std::string_view cache, unsigned slot) const {
        const auto named = std::ranges::find(unit.caches, cache, &topology::CacheUnit::name);
        return micro_tlb(std::size_t(named - unit.caches.begin()), slot);
    }
    StreamId sdhi(unsigned index) const { return stream("ds1", 32 + index); }

    Result<std::unique_ptr<IommuUnit>> try_open() {
        if (!arena) arena = *memory::Arena::open({table_range, {machine->memory().at(table_range.first.value), table_range.length()}}, {1});
        return ipmmu::open(platform, unit, *arena, account, clock);
    }
    void open() {
        auto made = try_open();
        ASSERT_TRUE(made) << made.error().text;
        driver = std::move(*made);
    }
    AddressSpace& new_space() {
        auto made = driver->create_space(account);
        EXPECT_TRUE(made) << made.error().text;
        spaces.push_back(std::move(*made));
        return *spaces.back();
    }
    void retire(AddressSpace& space) {
        const auto place = std::ranges::find(spaces, &space, &std::unique_ptr<AddressSpace>::get);
        auto ending = std::move(*place);
        spaces.erase(place);
        const auto ended = driver->retire(std::move(ending));
        EXPECT_TRUE(ended) << ended.error().text;
    }
    // sdhi0 reaches memory_a, device addresses being physical ones; sdhi1 is known and blocked.
    void contain() {
        open();
        granted = &new_space();
        ASSERT_TRUE(grant(*granted, memory_a, memory_a));
        const auto taken = take_over();
        ASSERT_TRUE(taken) << taken.error().text;
        found = taken->found;
    }
    Result<TakeOver> take_over() {
        const Assignment assignments[] = {{sdhi(0), granted}, {sdhi(1), nullptr}};
        return driver->take_over(assignments);
    }
    // As a process that is killed: what hardware was given stays.
    void end_driver() {
        driver.reset();
        static auto& kept = *new std::vector<std::unique_ptr<AddressSpace>>;
        for (auto& space : spaces) kept.push_back(std::move(space));
        spaces.clear();
        if (arena) {
            static auto& arenas = *new std::vector<std::unique_ptr<memory::Arena>>;
            arenas.push_back(std::move(arena));
        }
    }

    // An access of the micro-TLB, whatever master is behind it: where it arrives, or nothing.
    std::optional<std::uint64_t> dma(std::string_view cache, unsigned slot, std::uint64_t address, bool write = true) {
        const auto outcome = machine->unit(cache).handle(slot, address, write);
        return outcome.allowed ? std::optional(outcome.address) : std::nullopt;
    }
    bool reaches(unsigned sdhi_index, std::uint64_t address) { return dma("ds1", 32 + sdhi_index, address).has_value(); }

    // Every micro-TLB of the chip that reaches memory_b, "ds0 3 ..."; nobody is granted that.
    std::string open_ports() {
        std::string names;
        for (const auto& cache : machine->facts().product.units)
            for (unsigned slot = 0; slot < cache.slots; ++slot)
                if (dma(cache.name, slot, memory_b)) names += cache.name + " " + std::to_string(slot) + " ";
        return names;
    }
    // After every register write: what was closed stays closed, and with `goes_on` sdhi0 reaches its memory.
    void watch(bool goes_on, std::set<std::string> spared = {}) {
        line.after_write = [this, goes_on, spared = std::move(spared), closed = std::set<std::string>()]() mutable {
            for (const auto& cache : machine->facts().product.units)
                for (unsigned slot = 0; slot < cache.slots; ++slot) {
                    const std::string port = cache.name + " " + std::to_string(slot);
                    if (spared.contains(cache.name)) continue;
                    if (!dma(cache.name, slot, memory_b))
                        closed.insert(port);
                    else
                        EXPECT_FALSE(closed.contains(port)) << port << " is opened by write " << line.writes;
                }
            if (goes_on) EXPECT_TRUE(reaches(0, memory_a)) << "refused at write " << line.writes;
        };
    }
    void stop_watching() { line.after_write = nullptr; }

    Line line;
    ModelPlatform platform{line};
    topology::Unit unit;
    Time clock;
    memory::Account account;
    std::unique_ptr<memory::Arena> arena;
    std::unique_ptr<IommuUnit> driver;
    std::vector<std::unique_ptr<AddressSpace>> spaces;
    AddressSpace* granted = nullptr;
    Found found = Found::off;
};

}  // namespace smmu::units::ipmmu::test
