// SPDX-License-Identifier: Apache-2.0
// Kinds: one service on two units of different kinds (VT-d, SMMUv3, SMMUv2, IPMMU) or granules, with their real drivers and
// tables in one arena, and objects whose devices are behind both. After every call each device reaches, by its own accesses,
// what the oracle says; after everything that a driver writes, nothing that is in neither the set before nor the set after.
// Instances are killed, and their successors adopt what they left. SMMU_TEST_SEED repeats a run; LONG=1: ten times as long.
#include <gtest/gtest.h>

#include <cstdlib>

#include "memory/gather.hpp"
#include "tests/property/containment/script.hpp"
#include "tests/property/kinds/hardware.hpp"
#include "tests/property/kinds/models.hpp"
#include "tests/unit/driving.hpp"

namespace smmu::containment::testing {
namespace {

constexpr std::uint64_t cell_bytes = 512;  // of the oracle: a page of 4 KiB is eight

struct Side {
    std::function<std::unique_ptr<Hardware>(model::Memory& ram)> make;
    unsigned granule_log2 = 12;
    bool write_implies_read = false;
};
Side vtd(const model::vtd::Features& features, bool first_stage) {
    return {[features](model::Memory& ram) { return std::make_unique<VtdHardware>(ram, features); }, 12, first_stage};
}
Side legacy_vtd() { return vtd({.large_pages = 3}, false); }
Side first_stage_vtd() { return vtd({.major = 3, .scalable = true, .first_stage = true, .pasid_bits = 20}, true); }
Side smmu(unsigned granule_log2, unsigned stage, bool has_ranges = true) {
    silicon::Facts facts;
    facts.only_granule(granule_log2);
    if (stage == 1) facts.only_stage1();
    if (!has_ranges) facts.idr3 &= ~(1u << 10);
    return {[facts](model::Memory& ram) { return std::make_unique<SmmuV3Hardware>(ram, facts); }, granule_log2, stage == 1};
}
Side smmuv2(bool stage2) {
    const model::mmu500::Features features{.stage2 = stage2, .nested = stage2, .banks = 24, .stage2_banks = stage2 ? 4u : 0u};
    return {[features](model::Memory& ram) { return std::make_unique<SmmuV2Hardware>(ram, features); }, 12, !stage2};
}
// With as many contexts as the script needs spaces.
Side ipmmu() {
    return {[](model::Memory& ram) { return std::make_unique<IpmmuHardware>(ram, "v4h"); }, 12, false};
}

struct Shape {
    const char* name;
    Side sides[2];
};

class Quiet final : public DeviceControl {
public:
    void bus_master_off(const topology::Device&) noexcept override {}
    void begin_reset(const topology::Device&) noexcept override {}
    bool resetting(const topology::Device&) const noexcept override { return false; }
};

Oracle oracle_for(const Shape& shape) {
    Oracle oracle = oracle_of(machine_of_groups(cell_bytes), cell_bytes);
    for (unsigned i = 0; i < 2; ++i) {
        oracle.unit_granule[i] = unsigned((1u << shape.sides[i].granule_log2) / cell_bytes);
        oracle.write_implies_read[i] = shape.sides[i].write_implies_read;
    }
    oracle.least_granule = std::min(oracle.unit_granule[0], oracle.unit_granule[1]);
    return oracle;
}

class Kinds final : public Script {
public:
    Kinds(std::uint64_t seed, const Shape& shape) : Script(seed, oracle_for(shape), cell_bytes), shape_(shape) {
        for (unsigned i = 0; i < 2; ++i) hardware_[i] = shape.sides[i].make(ram_);
        start();
        for (auto& hardware : hardware_) hardware->after_write = [this] { look_between(); };
    }
    ~Kinds() override {
        for (auto& hardware : hardware_) hardware->after_write = nullptr;
        die();
    }

    void step() {
        if (chance(150))
            succeed();
        else
            act();
        service_->tick();
        before_ = after_ = oracle_;
        check_equal();
        for (int i = 0; i < 100 && service_->drain(); ++i) {}
        for (auto& hardware : hardware_)
            for (const std::string& complaint : hardware->complaints()) breach(complaint);
    }
    std::uint64_t accesses = 0, refusals = 0, looks = 0, successions = 0;
    std::uint64_t seen() const { return service_->refusals_seen(); }

private:
    // An instance of the service.
    struct Instance {
        std::unique_ptr<memory::Arena> arena;
        memory::Account account, others;
        units::Time clock;
        Quiet control;
        std::unique_ptr<Containment> service;
    };

    void start() {
        const memory::TableMemory memory{{{tables_at}, {ram_bytes - 1}}, {ram_.at(tables_at), ram_bytes - tables_at}};
        now_ = std::make_unique<Instance>();
        now_->arena = *memory::Arena::open(memory, {1, 2, 3});
        std::vector<DrivenUnit> drivers(2);
        memory::Invalidator* last = nullptr;
        for (unsigned i = 0; i < 2; ++i) {
            drivers[i].driver = hardware_[i]->open(*now_->arena, now_->account, now_->clock);
            const units::Capabilities& can = drivers[i].driver->capabilities();
            EXPECT_EQ(can.granule_log2, shape_.sides[i].granule_log2);
            EXPECT_EQ(can.write_implies_read, shape_.sides[i].write_implies_read);
            last = drivers[i].driver->caches();
        }
        service_ = std::make_unique<Containment>(machine_of_groups(cell_bytes), std::move(drivers), now_->control, now_->clock, Policy{});
        for (const auto& taken : service_->take_over()) {
            EXPECT_TRUE(taken) << taken.error().text;
            EXPECT_EQ(taken->found, now_->arena->continued() ? units::Found::own : units::Found::off);
        }
        // Nothing of an earlier instance is in any unit: its frames are free.
        if (!now_->arena->continued()) return;
        memory::Gather everything;
        everything.cover_everything();
        auto flushed = last->flush(std::move(everything), *now_->arena);
        EXPECT_TRUE(flushed);
        now_->arena->retire_earlier_generations(*std::move(flushed));
        EXPECT_EQ(now_->arena->count().earlier, 0u);
    }
    // Killed: nobody ends what it had, and hardware goes on.
    void die() {
        static auto& dead = *new std::vector<std::unique_ptr<Instance>>;
        now_->service = std::move(service_);
        dead.push_back(std::move(now_));
    }
    void succeed() {
        ++successions;
        before_ = oracle_;
        while (!oracle_.objects.empty()) oracle_.destroy(oracle_.objects.begin()->first);
        after_ = oracle_;
        die();
        clients_.clear();
        start();
    }

    // What a stream reaches at a cell, read and write, by two accesses at some byte of it.
    Cell reached(unsigned unit, std::uint32_t stream, std::uint64_t cell) {
        const std::uint64_t byte = pick(cell_bytes), address = (window_start + cell) * cell_bytes + byte;
        Cell found;
        for (const unsigned access : {1u, 2u}) {
            const auto at = hardware_[unit]->access(stream, address, access == 2);
            ++accesses;
            if (!at) ++refusals;
            if (!at) continue;
            if (*at % cell_bytes != byte || (found.access != 0 && found.physical != *at / cell_bytes))
                breach("an access arrives in the midst of something else");
            found = {*at / cell_bytes, found.access | access};
        }
        return found;
    }
    template <class F>
    void for_each_stream(F f) const {
        for (unsigned g = 0; g < oracle_.groups.size(); ++g)
            for (const auto& [unit, stream] : oracle_.groups[g].streams) f(g, unit, stream);
    }
    static std::string text(unsigned unit, std::uint32_t stream, std::uint64_t cell, const Cell& now, const Cell& wanted) {
        return "unit " + std::to_string(unit) + " stream " + std::to_string(stream) + " cell " + std::to_string(cell) +
               " reaches " + std::to_string(now.physical) + "/" + std::to_string(now.access) + ", not " +
               std::to_string(wanted.physical) + "/" + std::to_string(wanted.access);
    }
    // Every page of the window, at some byte of it, and a stranger.
    void check_equal() {
        for_each_stream([&](unsigned g, unsigned unit, std::uint32_t stream) {
            const Bytes expected = oracle_.expected(g, unit);
            for (std::uint64_t page = 0; page < window_bytes; page += 8) {
                const std::uint64_t cell = page + pick(8);
                const Cell now = reached(unit, stream, cell);
                if (now.access != expected[cell].access || (now.access != 0 && now.physical != expected[cell].physical))
                    breach(text(unit, stream, cell, now, expected[cell]));
            }
        });
        for (unsigned unit = 0; unit < 2; ++unit)
            if (reached(unit, 0x77, pick(window_bytes)).access != 0) breach("a stream that nobody knows passes");
    }
    // Some cells of one stream, while something goes on: in the set before, in the set after, or always open.
    void look_between() {
        ++looks;
        const unsigned g = pick(unsigned(oracle_.groups.size()));
        const auto& streams = oracle_.groups[g].streams;
        const auto [unit, stream] = streams[pick(unsigned(streams.size()))];
        const Bytes always = oracle_.always(g, oracle_.unit_granule[unit]);
        const Bytes sets[] = {before_.expected(g, unit), after_.expected(g, unit),
                              oracle_.write_implies_read[unit] ? Oracle::widened(always) : always};
        for (int i = 0; i < 12; ++i) {
            const std::uint64_t cell = pick(window_bytes);
            const Cell now = reached(unit, stream, cell);
            const auto within = [&](const Bytes& set) {
                return set[cell].physical == now.physical && (now.access & ~set[cell].access) == 0;
            };
            if (now.access != 0 && std::ranges::none_of(sets, within)) breach("meanwhile " + text(unit, stream, cell, now, sets[0][cell]));
        }
    }

    // Memory that no device may reach when it is let go.
    class Watched final : public HeldMemory {
    public:
        Watched(Kinds& kinds, PhysRange range) : kinds_(kinds), extents_{range} {}
        ~Watched() override {
            kinds_.for_each_stream([&](unsigned, unsigned unit, std::uint32_t stream) {
                for (std::uint64_t cell = 0; cell < window_bytes; cell += 8) {
                    const Cell now = kinds_.reached(unit, stream, cell);
                    if (now.access != 0 && extents_.front().contains(PhysAddr{now.physical * cell_bytes}))
                        kinds_.breach("memory was let go while " + text(unit, stream, cell, now, {}));
                }
            });
        }
        std::span<const PhysRange> extents() const noexcept override { return extents_; }

    private:
        Kinds& kinds_;
        std::vector<PhysRange> extents_;
    };
    std::shared_ptr<HeldMemory> own_memory(PhysRange range) override { return std::make_shared<Watched>(*this, range); }

    // Somebody else has all frames but a few.
    void begin_shortage() override {
        if (!chance(8)) return;
        const std::uint64_t free = now_->arena->available(now_->others), left = pick(40);
        taken_ = *now_->arena->take_many(now_->others, free - std::min<std::uint64_t>(free, left));
    }
    bool end_shortage() override {
        const bool was_short = !taken_.empty();
        for (memory::Frame& frame : taken_) now_->arena->discard(std::move(frame));
        taken_.clear();
        return was_short;
    }

    const Shape& shape_;
    model::Memory ram_{ram_bytes};
    std::unique_ptr<Hardware> hardware_[2];
    std::unique_ptr<Instance> now_;
    std::vector<memory::Frame> taken_;
};

class KindsProperty : public ::testing::TestWithParam<Shape> {};

TEST_P(KindsProperty, EveryDeviceReachesWhatItsObjectGrants) {
    const char* given = std::getenv("SMMU_TEST_SEED");
    const std::uint64_t seed = given != nullptr ? std::strtoull(given, nullptr, 0) : 1;
    const int steps = std::getenv("LONG") != nullptr ? 4000 : 400;
    Kinds run(seed, GetParam());
    for (int i = 0; i < steps && run.breach().empty(); ++i) run.step();
    ASSERT_EQ(run.breach(), "") << "seed " << seed << ", call " << run.calls;
    std::printf("%llu calls, %llu refused, %llu short of tables, %llu successions; %llu accesses, %llu of them refused, %llu looks in "
                "between\n", static_cast<unsigned long long>(run.calls), static_cast<unsigned long long>(run.refused),
                static_cast<unsigned long long>(run.shortages), static_cast<unsigned long long>(run.successions),
                static_cast<unsigned long long>(run.accesses), static_cast<unsigned long long>(run.refusals),
                static_cast<unsigned long long>(run.looks));
    EXPECT_GT(run.refused, 0u);
    EXPECT_GT(run.accesses, 2000u);
    EXPECT_GT(run.accesses - run.refusals, run.accesses / 100) << "the script grants next to nothing";
    EXPECT_GT(run.seen(), 0u);
}

INSTANTIATE_TEST_SUITE_P(Pairs, KindsProperty,
                         ::testing::Values(Shape{"VtdAndSmmuV3", {legacy_vtd(), smmu(12, 2)}},
                                           Shape{"VtdAndSmmuV3Of16K", {legacy_vtd(), smmu(14, 2)}},
                                           Shape{"VtdAndSmmuV3Of64K", {legacy_vtd(), smmu(16, 2, false)}},
                                           Shape{"VtdAndStage1Of64K", {legacy_vtd(), smmu(16, 1)}},
                                           Shape{"FirstStageAndSmmuV3Of16K", {first_stage_vtd(), smmu(14, 2)}},
                                           Shape{"VtdAndSmmuV2", {legacy_vtd(), smmuv2(true)}},
                                           Shape{"SmmuV2Stage1AndSmmuV3", {smmuv2(false), smmu(12, 2)}},
                                           Shape{"IpmmuAndSmmuV2", {ipmmu(), smmuv2(true)}},
                                           Shape{"SmmuV3AndIpmmu", {smmu(12, 1), ipmmu()}},
                                           Shape{"TwoSmmuV3", {smmu(12, 2), smmu(12, 2)}},
                                           Shape{"SmmuV3Of16KAndStage1", {smmu(14, 2), smmu(12, 1, false)}}),
                         [](const auto& shape) { return std::string(shape.param.name); });

}  // namespace
}  // namespace smmu::containment::testing
