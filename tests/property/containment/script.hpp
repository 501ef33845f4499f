// SPDX-License-Identifier: Apache-2.0
// Script: random clients, objects, grants, moves and deaths on any machine, with the oracle's opinion of each call.
#pragma once

#include <functional>
#include <random>
#include <string>

#include "containment/containment.hpp"
#include "tests/property/containment/oracle.hpp"

namespace smmu::containment::testing {

inline constexpr unsigned device_count = 6;

// 0: unit 0 | 1, 2: one group, unit 0, a shared stream | 3: startup and doorbell, unit 0 | 4: unit
// 1 | 5: both units, reserved memory
inline topology::Topology machine_of_groups(std::uint64_t cell_bytes = 1) {
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
    const auto memory = [cell_bytes](std::uint64_t offset, std::uint64_t length) {
        return PhysRange{{(window_start + offset) * cell_bytes}, {(window_start + offset + length) * cell_bytes - 1}};
    };
    m.devices[3].grants = {{Grant::Kind::startup, memory(100, 60), read_write, true, {}},
                           {Grant::Kind::doorbell, memory(416, 16), Access::write, true, {}}};
    // Of this one unit 1 has no granule that holds nothing else.
    m.devices[5].grants = {{Grant::Kind::reserved, memory(150, 30), Access::read, true, {}},
                           {Grant::Kind::doorbell, memory(320, 16), Access::write, true, {}}};
    m.protected_memory = {{memory(130, 2), "test"}, {memory(400, 10), "test"}, {memory(416, 16), "a doorbell"}};
    return m;
}

inline Oracle oracle_of(const topology::Topology& m, std::uint64_t cell_bytes = 1) {
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
                group.doorbells.emplace_back(grant.range.first.value / cell_bytes - window_start, grant.range.length() / cell_bytes);
                continue;
            }
            for (auto a = grant.range.first.value / cell_bytes; a <= grant.range.last.value / cell_bytes; ++a) {
                Cell& cell = group.always[a - window_start];
                cell = {a, cell.access | unsigned(grant.access)};
            }
        }
    }
    for (const auto& part : m.protected_memory)
        for (auto a = part.range.first.value / cell_bytes; a <= part.range.last.value / cell_bytes; ++a)
            oracle.protected_bytes.insert(a);
    return oracle;
}

class Script {
public:
    // An address of the oracle stands for `cell_bytes`.
    Script(std::uint64_t seed, Oracle oracle, std::uint64_t cell_bytes = 1)
        : random_(seed), oracle_(std::move(oracle)), before_(oracle_), after_(oracle_), cell_bytes_(cell_bytes) {}
    virtual ~Script() = default;

    const std::string& breach() const { return breach_; }
    std::uint64_t calls = 0, refused = 0, shortages = 0;

protected:
    // One call at random, if the one chosen makes sense now.
    void act() {
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
    }
    unsigned pick(unsigned bound) { return unsigned(random_() % bound); }
    bool chance(unsigned one_in) { return pick(one_in) == 0; }
    void breach(const std::string& what) {
        if (breach_.empty()) breach_ = what;
    }

    // The next call may lack tables; whether it did.
    virtual void begin_shortage() {}
    virtual bool end_shortage() { return false; }
    // A unit does not answer any more: what calls return says nothing.
    virtual bool is_over() const { return false; }
    virtual std::shared_ptr<HeldMemory> own_memory(PhysRange range) = 0;

    std::mt19937_64 random_;
    std::unique_ptr<Containment> service_;
    std::vector<ClientId> clients_;
    Oracle oracle_, before_, after_;  // what holds, or around the call that goes on

private:
    // Runs a call that leads to `next` when it succeeds; `allowed`: it must succeed unless
    // something was broken.
    void call(const Oracle& next, bool allowed, const std::function<int()>& f) {
        ++calls;
        before_ = oracle_;
        after_ = allowed ? next : oracle_;
        begin_shortage();
        const int code = f();
        const bool starved = end_shortage();
        if (code == ENOMEM) ++shortages;
        if (code != 0 && code != ENOMEM) ++refused;
        if (is_over()) return;
        if (code == 0 && !allowed) breach("was allowed, and must not be");
        if (code != 0 && allowed && !(starved && code == ENOMEM))
            breach("was refused with " + std::to_string(code) + ", and must not be");
        if (code == 0) oracle_ = next;
        before_ = after_ = oracle_;
    }
    int finish(Result<std::shared_ptr<Operation>> operation) {
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
        OracleObject& made = oracle_.objects[raw(id)];
        made.client = raw(owner);
        made.granule = oracle_.least_granule;
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
            request.memory = own_memory({{(base - 0x100) * cell_bytes_}, {(base + window_bytes + 0x100) * cell_bytes_}});
        }
        Oracle next = oracle_;
        OracleObject& object = next.objects.at(*id);
        for (unsigned pieces = pick(3) + 1; pieces > 0; --pieces) {
            const std::uint64_t first = pick(window_bytes);
            const std::uint64_t length =
                1 + pick(unsigned(std::min<std::uint64_t>(window_bytes - first, 100)));
            request.pieces.push_back({{{(window_start + first) * cell_bytes_},
                                       {(window_start + first + length) * cell_bytes_ - 1}},
                                      {(base + first) * cell_bytes_}});
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

    const std::uint64_t cell_bytes_;
    std::string breach_;
};

}  // namespace smmu::containment::testing
