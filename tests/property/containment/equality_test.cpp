// SPDX-License-Identifier: Apache-2.0
// Equality: after every call every stream reaches exactly what the oracle says, and at every store
// in between nothing that is in neither the set before nor the set after. Random clients, objects,
// grants, moves, deaths, lack of tables at the n-th request and units that stop answering.
// SMMU_TEST_SEED repeats a run.
#include <cstdlib>
#include <random>

#include "tests/property/containment/oracle.hpp"
#include "tests/unit/containment/fake_unit.hpp"

namespace smmu::containment::testing {
namespace {

constexpr unsigned device_count = 6;

// 0: unit 0 | 1, 2: one group, unit 0, a shared stream | 3: startup and doorbell, unit 0 | 4: unit
// 1 | 5: both units, reserved memory
topology::Topology machine_of_groups() {
    topology::Topology m;
    m.units.resize(2);
    m.units[0].name = "unit0";
    m.units[1].name = "unit1";
    const std::vector<std::vector<topology::Stream>> streams = {
        {{UnitId{0}, StreamId{1}, {}}},
        {{UnitId{0}, StreamId{2}, {}}, {UnitId{0}, StreamId{3}, {}}},
        {{UnitId{0}, StreamId{3}, {}}},
        {{UnitId{0}, StreamId{4}, {}}},
        {{UnitId{1}, StreamId{5}, {}}},
        {{UnitId{0}, StreamId{6}, {}}, {UnitId{1}, StreamId{7}, {}}}};
    const std::vector<std::uint32_t> group = {0, 1, 1, 2, 3, 4};
    m.groups.resize(5);
    for (unsigned i = 0; i < device_count; ++i) {
        topology::Device device;
        device.id = topology::PciAddress{0, 0, std::uint8_t(i), 0};
        device.streams = streams[i];
        device.group = GroupId{group[i]};
        m.groups[group[i]].devices.push_back(DeviceIndex{i});
        m.devices.push_back(device);
    }
    using topology::Grant;
    const auto memory = [](std::uint64_t offset, std::uint64_t length) {
        return PhysRange{{window_start + offset}, {window_start + offset + length - 1}};
    };
    m.devices[3].grants = {{Grant::Kind::startup, memory(100, 60), read_write, true, {}},
                           {Grant::Kind::doorbell, memory(416, 16), Access::write, true, {}}};
    // Of this one unit 1 has no granule that holds nothing else.
    m.devices[5].grants = {{Grant::Kind::reserved, memory(150, 30), Access::read, true, {}},
                           {Grant::Kind::doorbell, memory(320, 16), Access::write, true, {}}};
    m.protected_memory = {{memory(130, 2), "test"}, {memory(400, 10), "test"}, {memory(416, 16), "a doorbell"}};
    return m;
}

Oracle oracle_of(const topology::Topology& m) {
    Oracle oracle;
    oracle.groups.resize(m.groups.size());
    for (unsigned i = 0; i < m.devices.size(); ++i) {
        OracleGroup& group = oracle.groups[raw(m.devices[i].group)];
        oracle.group_of.push_back(raw(m.devices[i].group));
        group.devices.push_back(i);
        for (const auto& s : m.devices[i].streams) {
            const std::pair stream{raw(s.unit), raw(s.id)};
            if (std::ranges::find(group.streams, stream) == group.streams.end())
                group.streams.push_back(stream);
        }
        for (const auto& grant : m.devices[i].grants) {
            if (grant.kind == topology::Grant::Kind::doorbell) {
                group.doorbells.emplace_back(grant.range.first.value - window_start, grant.range.length());
                continue;
            }
            for (auto a = grant.range.first.value; a <= grant.range.last.value; ++a) {
                Cell& cell = group.always[a - window_start];
                cell = {a, cell.access | unsigned(grant.access)};
            }
        }
    }
    for (const auto& part : m.protected_memory)
        for (auto a = part.range.first.value; a <= part.range.last.value; ++a)
            oracle.protected_bytes.insert(a);
    return oracle;
}

class Trial {
public:
    explicit Trial(std::uint64_t seed, Bug bug = Bug::none)
        : random_(seed), oracle_(oracle_of(machine_of_groups())) {
        std::vector<DrivenUnit> drivers(2);
        for (unsigned i = 0; i < 2; ++i) {
            units_[i] = new FakeUnit(machine_, i, i == 0 ? 4 : 6);
            units_[i]->bug = bug;
            drivers[i].driver.reset(units_[i]);
        }
        service_ = std::make_unique<Containment>(machine_of_groups(), std::move(drivers), control_,
                                                 clock_, Policy{});
        for (const auto& result : service_->take_over()) EXPECT_TRUE(result);
        before_ = after_ = oracle_;
        machine_.on_store = [this] { check_between(); };
    }
    ~Trial() {
        machine_.on_store = nullptr;
        service_.reset();
        EXPECT_EQ(machine_.plans, 0) << "a plan was neither carried out nor given back";
    }

    void step() {
        machine_.events.clear();
        switch (pick(12)) {
            case 0:
                connect();
                break;
            case 1:
                create();
                break;
            case 2:
                if (chance(3)) disconnect();
                break;
            case 3:
                if (chance(3)) destroy();
                break;
            case 4:
            case 5:
                add_device();
                break;
            case 6:
                remove_device();
                break;
            default:
                change_grants();
                break;
        }
        // A call in which a unit stopped answering may be half done on the other one.
        if (unit_failed())
            check_between();
        else
            check_equal();
    }
    bool unit_failed() const {
        return units_[0]->state() == units::UnitState::failed ||
               units_[1]->state() == units::UnitState::failed;
    }
    void break_a_unit() { units_[pick(2)]->dies_after = 1 + int(pick(4)); }
    const std::string& breach() const { return breach_; }
    std::uint64_t calls = 0, refused = 0, shortages = 0, stores = 0;

private:
    unsigned pick(unsigned bound) { return unsigned(random_() % bound); }
    bool chance(unsigned one_in) { return pick(one_in) == 0; }
    void breach(const std::string& what) {
        if (breach_.empty()) breach_ = what;
    }

    Cell reached(unsigned unit, std::uint32_t stream, std::uint64_t offset) const {
        const auto leaf = units_[unit]->reach(StreamId{stream}, Iova{window_start + offset});
        return leaf ? Cell{leaf->physical.value, unsigned(leaf->access)} : Cell{};
    }
    template <class F>
    void for_each_granule(F f) const {
        for (unsigned g = 0; g < oracle_.groups.size(); ++g)
            for (const auto& [unit, stream] : oracle_.groups[g].streams) {
                if (units_[unit]->state() == units::UnitState::failed) continue;
                f(g, unit, stream);
            }
    }
    void check_equal() {
        if (machine_.count("RELEASED WHILE REACHABLE") != 0)
            breach("memory was released while reachable");
        if (machine_.count("RETIRED WHILE ATTACHED") != 0)
            breach("a space was retired while a stream was on it");
        for_each_granule([&](unsigned g, unsigned unit, std::uint32_t stream) {
            const Bytes expected = oracle_.expected(g, unit);
            for (std::uint64_t i = 0; i < window_bytes; i += 16)
                if (!(reached(unit, stream, i) == expected[i]))
                    breach("stream " + std::to_string(stream) + " offset " + std::to_string(i) +
                           " reaches " + std::to_string(reached(unit, stream, i).access) +
                           ", must " + std::to_string(expected[i].access));
        });
    }
    void check_between() {
        ++stores;
        for_each_granule([&](unsigned g, unsigned unit, std::uint32_t stream) {
            const Bytes a = before_.expected(g, unit), b = after_.expected(g, unit);
            const Bytes always =
                oracle_.always(g, oracle_.unit_granule[unit]);  // moves go through it
            for (std::uint64_t i = 0; i < window_bytes; i += 16) {
                const Cell now = reached(unit, stream, i);
                if (now.access == 0) continue;
                const auto within = [&](const Cell& c) {
                    return c.access != 0 && c.physical == now.physical &&
                           (now.access & ~c.access) == 0;
                };
                if (!within(a[i]) && !within(b[i]) && !within(always[i]))
                    breach("stream " + std::to_string(stream) + " offset " + std::to_string(i) +
                           " reaches something that is in neither set");
            }
        });
    }

    // Runs a call that leads to `next` when it succeeds; `allowed`: it must succeed unless
    // something was broken.
    void call(const Oracle& next, bool allowed, const std::function<int()>& f) {
        ++calls;
        before_ = oracle_;
        after_ = allowed ? next : oracle_;
        const bool failing = chance(4);
        machine_.fail_nth = failing ? 1 + int(pick(5)) : 0;
        const int code = f();
        const bool starved = failing && machine_.fail_nth == 0;
        machine_.fail_nth = 0;
        if (code == ENOMEM) ++shortages;
        if (code != 0 && code != ENOMEM) ++refused;
        if (unit_failed()) return;
        if (code == 0 && !allowed) breach("was allowed, and must not be");
        if (code != 0 && allowed && !(starved && code == ENOMEM))
            breach("was refused with " + std::to_string(code) + ", and must not be");
        if (code == 0) oracle_ = next;
        before_ = after_ = oracle_;
    }
    int finish(Result<std::unique_ptr<Operation>> operation) {
        if (!operation) return operation.error().code;
        units::Budget budget{pick(3)};
        while ((*operation)->step(budget) == units::Progress::more) budget.tables = 1 + pick(2);
        const auto result = (*operation)->result();
        return result ? 0 : result.error().code;
    }

    void connect() {
        if (clients_.size() >= 3) return;
        Identity identity;
        identity.pid = pid_t(100 + calls);
        identity.uid = 1000;
        identity.command = "driver";
        identity.abilities = {.attach = true, .target = true};
        identity.unlimited = true;
        clients_.push_back(*service_->connect(identity));
    }
    void create() {
        if (clients_.empty() || oracle_.objects.size() >= 5) return;
        const ClientId owner = clients_[pick(unsigned(clients_.size()))];
        const ObjectId id = *service_->create_object(owner, false);
        oracle_.objects[raw(id)].client = raw(owner);
        before_ = after_ = oracle_;
    }
    std::optional<unsigned> some_object() {
        if (oracle_.objects.empty()) return std::nullopt;
        return std::next(oracle_.objects.begin(), pick(unsigned(oracle_.objects.size())))->first;
    }
    void disconnect() {
        if (clients_.empty()) return;
        const unsigned at = pick(unsigned(clients_.size()));
        const ClientId gone = clients_[at];
        clients_.erase(clients_.begin() + at);
        Oracle next = oracle_;
        for (const auto& [id, object] : oracle_.objects)
            if (object.client == raw(gone)) next.destroy(id);
        call(next, true, [&] {
            service_->disconnect(gone);
            return 0;
        });
    }
    void destroy() {
        const auto id = some_object();
        if (!id) return;
        Oracle next = oracle_;
        next.destroy(*id);
        call(next, true, [&] {
            const auto result =
                service_->destroy_object(ClientId{oracle_.objects.at(*id).client}, ObjectId{*id});
            return result ? 0 : result.error().code;
        });
    }
    void add_device() {
        const auto id = some_object();
        if (!id) return;
        const unsigned device = pick(device_count), group = oracle_.group_of[device];
        Oracle next = oracle_;
        bool allowed = true;
        for (const unsigned member : oracle_.groups[group].devices) {
            const auto owner = oracle_.claimed.find(member);
            if (owner == oracle_.claimed.end() || owner->second == *id) continue;
            const bool own =
                oracle_.objects.at(owner->second).client == oracle_.objects.at(*id).client;
            allowed = allowed && member == device && own;
        }
        if (allowed) {
            if (next.claimed.contains(device) && next.claimed.at(device) != *id)
                next.detach(device);
            OracleObject& object = next.objects.at(*id);
            object.granule = std::max(object.granule, next.granule_of(group));
            allowed = next.is_allowed(*id, object, group);
            object.devices.insert(device);
            next.claimed[device] = *id;
            next.groups[group].attached = *id;
        }
        call(next, allowed, [&] {
            return finish(service_->add_device(ClientId{oracle_.objects.at(*id).client},
                                               ObjectId{*id}, PciQuery{0, 0, device, 0}));
        });
    }
    void remove_device() {
        if (oracle_.claimed.empty()) return;
        const unsigned device =
            std::next(oracle_.claimed.begin(), pick(unsigned(oracle_.claimed.size())))->first;
        const unsigned client = oracle_.objects.at(oracle_.claimed.at(device)).client;
        Oracle next = oracle_;
        next.detach(device);
        call(next, true, [&] {
            const auto result =
                service_->remove_device(ClientId{client}, PciQuery{0, 0, device, 0});
            return result ? 0 : result.error().code;
        });
    }
    void change_grants() {
        const auto id = some_object();
        if (!id) return;
        GrantRequest request;
        request.access = chance(3) ? Access::none : Access(1 + pick(3));
        request.translated = chance(3);
        std::uint64_t base = window_start;
        if (request.translated) base += 0x10000 + 16 * pick(6) + (chance(6) ? 8 : 0);
        if (request.translated && request.access != Access::none && chance(2)) {
            base += 0x10000 * (calls + 1);  // memory of its own: when it is let go, nothing may reach it
            request.memory = std::make_shared<FakeMemory>(
                machine_, std::vector{PhysRange{{base - 0x100}, {base + window_bytes + 0x100}}});
        }
        Oracle next = oracle_;
        OracleObject& object = next.objects.at(*id);
        for (unsigned pieces = pick(3) + 1; pieces > 0; --pieces) {
            const std::uint64_t first = pick(window_bytes);
            const std::uint64_t length =
                1 + pick(unsigned(std::min<std::uint64_t>(window_bytes - first, 100)));
            request.pieces.push_back(
                {{{window_start + first}, {window_start + first + length - 1}}, {base + first}});
            for (std::uint64_t i = first; i < first + length; ++i)
                object.bytes[i] = request.access == Access::none
                                      ? Cell{}
                                      : Cell{base + i, unsigned(request.access)};
        }
        const bool allowed = next.is_allowed(*id, object, std::nullopt);
        call(next, allowed, [&] {
            return finish(service_->change_grants(ClientId{oracle_.objects.at(*id).client},
                                                  ObjectId{*id}, std::move(request)));
        });
        // A removal that lacked tables to keep the rest of a granule open closes it until there are
        // some.
        service_->tick();
    }

    std::mt19937_64 random_;
    FakeMachine machine_;
    FakeControl control_{machine_};
    FakeClock clock_;
    FakeUnit* units_[2] = {};
    std::unique_ptr<Containment> service_;
    std::vector<ClientId> clients_;
    Oracle oracle_, before_, after_;
    std::string breach_;
};

std::uint64_t first_seed() {
    const char* given = std::getenv("SMMU_TEST_SEED");
    return given != nullptr ? std::strtoull(given, nullptr, 0) : 1;
}

TEST(Equality, HoldsAfterEveryCallAndNothingElseInBetween) {
    std::uint64_t calls = 0, refused = 0, shortages = 0, stores = 0;
    const std::uint64_t seeds = std::getenv("SMMU_TEST_SEED") != nullptr ? 1 : 6;
    for (std::uint64_t seed = first_seed(); seed < first_seed() + seeds; ++seed) {
        Trial run(seed);
        for (int i = 0; i < 400 && run.breach().empty(); ++i) run.step();
        ASSERT_EQ(run.breach(), "") << "seed " << seed << ", call " << run.calls;
        calls += run.calls;
        refused += run.refused;
        shortages += run.shortages;
        stores += run.stores;
    }
    std::printf("%llu calls, %llu refused, %llu short of tables, %llu stores checked\n",
                static_cast<unsigned long long>(calls), static_cast<unsigned long long>(refused),
                static_cast<unsigned long long>(shortages),
                static_cast<unsigned long long>(stores));
    EXPECT_GT(refused, calls / 50);
    EXPECT_GT(shortages, calls / 200);
}

TEST(Equality, HoldsOnTheOtherUnitsWhenOneStopsAnswering) {
    for (std::uint64_t seed = first_seed(); seed < first_seed() + 8; ++seed) {
        Trial run(seed);
        for (int i = 0; i < 60 && run.breach().empty(); ++i) run.step();
        run.break_a_unit();
        for (int i = 0; i < 100 && run.breach().empty() && !run.unit_failed(); ++i) run.step();
        ASSERT_EQ(run.breach(), "") << "seed " << seed << ", call " << run.calls;
    }
}

// The checks can fail: each planted bug is found.
class PlantedBug : public ::testing::TestWithParam<Bug> {};

TEST_P(PlantedBug, IsFound) {
    Trial run(first_seed(), GetParam());
    for (int i = 0; i < 600 && run.breach().empty(); ++i) run.step();
    EXPECT_NE(run.breach(), "");
}

INSTANTIATE_TEST_SUITE_P(Each, PlantedBug,
                         ::testing::Values(Bug::ignores_block, Bug::skips_flush,
                                           Bug::opens_on_prepare, Bug::attach_leaves_cache));

}  // namespace
}  // namespace smmu::containment::testing
