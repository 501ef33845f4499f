// SPDX-License-Identifier: Apache-2.0
// The real driver on the model of a unit whose walks do not look into the processor's caches: what was stored reaches the
// walker only by a cache clean. One that is forgotten shows as a refusal that should not be, or as an access that should
// have been refused.
//
// memory::clean_lines and its kin are this program's own here: they tell the model, as clflush tells hardware.
#include <gtest/gtest.h>

#include <map>
#include <random>

#include "memory/arena.hpp"
#include "memory/coherency.hpp"
#include "tests/models/vtd/model/unit.hpp"
#include "units/vtd/open.hpp"
#include "tests/unit/driving.hpp"

namespace {

using namespace smmu;
namespace model = smmu::model::vtd;

constexpr std::uint64_t page = 0x1000, ram_bytes = 32u << 20, tables = 16u << 20;
constexpr PhysRange registers{{0xfed90000}, {0xfed90fff}};
constexpr std::uint16_t nic = 0x0018, disk = 0x0020;

// The unit that the driver of the running test works on.
struct Cleaned {
    smmu::model::Memory* memory = nullptr;
    model::Unit* unit = nullptr;
    unsigned lines = 0;
    unsigned forgotten = 0;  // this one (from 1) does not happen; 0: all do
};
Cleaned cleaned;

}  // namespace

namespace smmu::memory {
namespace {

void tell_unit(const volatile void* start, std::size_t bytes) {
    const auto* const first = static_cast<const std::byte*>(const_cast<const void*>(start));
    const auto address = std::uint64_t(first - cleaned.memory->at(0));
    constexpr std::uint64_t line = 64;
    cleaned.unit->clean({{address & ~(line - 1)}, {(address + bytes - 1) | (line - 1)}});
}

}  // namespace

void clean_lines(const volatile void* start, std::size_t bytes) noexcept {
    if (bytes == 0 || cleaned.unit == nullptr || ++cleaned.lines == cleaned.forgotten) return;
    tell_unit(start, bytes);
}
bool can_stream() noexcept { return true; }
void stream(std::uint64_t* words, std::size_t count, std::uint64_t first, std::uint64_t step) noexcept {
    for (std::size_t i = 0; i < count; ++i) words[i] = first + i * step;
    if (count > 0 && cleaned.unit != nullptr) tell_unit(words, count * sizeof *words);
}
void fence_cleaned() noexcept {}

}  // namespace smmu::memory

namespace {

class Registers final : public hw::Mmio {
public:
    explicit Registers(model::Unit& unit) : unit_(unit) {}
    std::uint32_t read32(std::uint64_t at) noexcept override { return std::uint32_t(unit_.read(at, 4)); }
    std::uint64_t read64(std::uint64_t at) noexcept override { return unit_.read(at, 8); }
    void write32(std::uint64_t at, std::uint32_t value) noexcept override { unit_.write(at, 4, value); }
    void write64(std::uint64_t at, std::uint64_t value) noexcept override { unit_.write(at, 8, value); }

private:
    model::Unit& unit_;
};

class Machine final : public platform::Platform {
public:
    Machine(smmu::model::Memory& memory, model::Unit& unit) : memory_(memory), unit_(unit) {}
    std::string name() const override { return "model"; }
    memory::BootIdentity boot_identity() const override { return {1, 2, 3}; }
    std::vector<PhysRange> ram() const override { return {}; }
    Result<std::vector<platform::RawTable>> firmware_tables() override { return std::vector<platform::RawTable>{}; }
    Result<std::unique_ptr<hw::Mmio>> registers(PhysRange) override { return std::make_unique<Registers>(unit_); }
    Result<std::unique_ptr<platform::PciConfig>> pci_config(std::span<const platform::EcamWindow>) override {
        return fail(ENOTSUP, "none");
    }
    Result<memory::TableMemory> table_memory(std::optional<PhysRange>, std::uint64_t) override {
        return memory::TableMemory{{{tables}, {ram_bytes - 1}}, {memory_.at(tables), ram_bytes - tables}};
    }
    Result<std::unique_ptr<platform::PinnedMemory>> pin(UniqueFd, std::uint64_t, std::uint64_t) override {
        return fail(ENOTSUP, "none");
    }

private:
    smmu::model::Memory& memory_;
    model::Unit& unit_;
};

// A driver on a unit, two spaces, and what they should open.
class Bench {
public:
    Bench(model::Features features, unsigned forgotten)
        : ram_(ram_bytes),
          unit_(without_snooping(features), {.sees_cleaning = true}, 39, ram_, complaints_, "unit"),
          machine_(ram_, unit_) {
        cleaned = {&ram_, &unit_, 0, forgotten};
        auto arena = memory::Arena::open(*machine_.table_memory(std::nullopt, 0), machine_.boot_identity());
        EXPECT_TRUE(arena) << arena.error().text;
        arena_ = std::move(*arena);
        auto opened = units::vtd::open(machine_, units::described(registers, 39), *arena_, account_, clock_);
        EXPECT_TRUE(opened) << opened.error().text;
        driver_ = std::move(*opened);
        for (auto& space : spaces_) space = *driver_->create_space(account_);
    }
    ~Bench() {
        cleaned = {};
        for (auto& space : spaces_) kept_for_ever().push_back(std::move(space));  // hardware still walks them
        kept_units().push_back(std::move(driver_));
        kept_arenas().push_back(std::move(arena_));
    }

    // Empty when after every step each access is as it should be.
    std::string work(int steps) {
        const units::Assignment streams[] = {{StreamId{nic}, spaces_[0].get()}, {StreamId{disk}, nullptr}};
        if (const auto taken = driver_->take_over(streams); !taken) return "take-over: " + taken.error().text;
        std::mt19937_64 random(1);
        for (int i = 0; i < steps; ++i) {
            const std::uint64_t number = random();
            if (auto said = step(number); !said.empty()) return said;
            if (auto said = look(); !said.empty()) return said;
        }
        return complaints_.all().empty() ? "" : complaints_.all().front();
    }

private:
    static model::Features without_snooping(model::Features features) {
        features.coherent = false;
        return features;
    }
    // Nothing that the model's memory holds tables for may be given back: the memory goes with the test.
    static std::vector<std::unique_ptr<units::AddressSpace>>& kept_for_ever() {
        static auto& kept = *new std::vector<std::unique_ptr<units::AddressSpace>>;
        return kept;
    }
    static std::vector<std::unique_ptr<units::IommuUnit>>& kept_units() {
        static auto& kept = *new std::vector<std::unique_ptr<units::IommuUnit>>;
        return kept;
    }
    static std::vector<std::unique_ptr<memory::Arena>>& kept_arenas() {
        static auto& kept = *new std::vector<std::unique_ptr<memory::Arena>>;
        return kept;
    }

    std::string step(std::uint64_t number) {
        const std::size_t which = number & 1;
        const std::uint64_t at = places_[number >> 4 & 7] + (number >> 8 & 3) * page;
        if ((number & 14) == 0) {
            on_ = which;
            const auto done = driver_->attach(StreamId{nic}, *spaces_[which]);
            return done ? "" : done.error().text;
        }
        auto& opened = opened_[which];
        units::Change change = paging::Unmap{{{at}, {at + page - 1}}};
        if (opened.contains(at)) {
            opened.erase(at);
        } else {
            opened[at] = (number >> 16 & 0x3ff) * page;
            change = paging::Map{{{at}, {at + page - 1}}, {opened[at]}, read_write};
        }
        auto plan = spaces_[which]->prepare(std::span(&change, 1));
        if (!plan) return plan.error().text;
        for (units::Budget budget;;) {
            const auto progress = spaces_[which]->commit(*plan, budget);
            if (!progress) return progress.error().text;
            if (*progress == units::Progress::done) return "";
        }
    }

    std::string look() {
        for (const std::uint64_t place : places_)
            for (std::uint64_t at = place; at < place + 4 * page; at += page) {
                const auto wanted = opened_[on_].find(at);
                const model::Outcome seen = unit_.handle({.source = nic, .address = at, .write = true});
                if (seen.allowed != (wanted != opened_[on_].end()))
                    return "address " + std::to_string(at) + (seen.allowed ? " passes" : " is refused");
                if (seen.allowed && seen.address != wanted->second) return "address " + std::to_string(at) + " leads elsewhere";
                if (unit_.handle({.source = disk, .address = at, .write = true}).allowed) return "the blocked device passes";
            }
        return "";
    }

    // In different tables of every level.
    static constexpr std::array<std::uint64_t, 8> places_{0x5000,      0x20'0000,      0x3f'f000 - 2 * page, 0x4000'0000,
                                                          0x7000'0000, 0x1'0000'0000, 0x12'3456'7000,       0x20'0000'0000};
    smmu::model::Memory ram_;
    smmu::model::Complaints complaints_;
    model::Unit unit_;
    Machine machine_;
    units::Time clock_;
    memory::Account& account_ = *new memory::Account;  // as long as the spaces
    std::unique_ptr<memory::Arena> arena_;
    std::unique_ptr<units::IommuUnit> driver_;
    std::array<std::unique_ptr<units::AddressSpace>, 2> spaces_;
    std::array<std::map<std::uint64_t, std::uint64_t>, 2> opened_;
    std::size_t on_ = 0;
};

struct Mode {
    const char* name;
    model::Features features;
};

std::vector<Mode> modes() {
    std::vector<Mode> all{{"Legacy", {}}, {"LegacyByRegisters", {}}, {"Scalable", {}}, {"FirstStage", {}}, {"WriteBuffer", {}},
                          {"CachesAbsence", {}}};
    for (Mode& mode : all) mode.features.mgaw = 39, mode.features.sagaw = 0b0010;
    all[1].features.queued = false;
    for (std::size_t i : {2u, 3u}) {
        all[i].features.major = 3;
        all[i].features.scalable = true;
        all[i].features.pasid_bits = 20;
        all[i].features.mgaw = 48;
        all[i].features.sagaw = 0b0100;
    }
    all[2].features.second_stage = true;
    all[3].features.first_stage = true;
    all[4].features.write_buffer = true;
    all[5].features.caching_mode = true;
    return all;
}

class Cleaning : public testing::TestWithParam<Mode> {};

TEST_P(Cleaning, NothingTheWalkerNeedsStaysInACache) {
    Bench bench(GetParam().features, 0);
    EXPECT_EQ(bench.work(400), "");
    EXPECT_GT(cleaned.lines, 400u);
}

// The test can fail: one clean in turn is left out. Some are of lines that nobody walks any more, or that the next
// one cleans too.
TEST_P(Cleaning, OneThatIsForgottenIsSeen) {
    int seen = 0, planted = 0;
    for (unsigned forgotten = 40; forgotten < 400; forgotten += 40, ++planted) {
        Bench bench(GetParam().features, forgotten);
        seen += bench.work(200).empty() ? 0 : 1;
    }
    EXPECT_GE(seen * 3, planted) << seen << " of " << planted;
}

INSTANTIATE_TEST_SUITE_P(Modes, Cleaning, testing::ValuesIn(modes()), [](const auto& mode) { return std::string(mode.param.name); });

}  // namespace
