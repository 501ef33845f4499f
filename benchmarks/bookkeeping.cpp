// SPDX-License-Identifier: Apache-2.0
// What containment's own bookkeeping costs, on units whose tables cost nothing: one page granted and removed beside 1,
// a thousand and a million other grants, the memory that a grant takes, lists of grants in one call, a device that joins
// an object that holds 64 GiB, and the end of an object and of a client that hold a million grants.
//
//   bookkeeping [rounds] [grants of the largest object]
//
// rooms: containment
#include <fmt/format.h>
#include <malloc.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <random>
#include <vector>

#include "containment/containment.hpp"

namespace {

using namespace smmu;
using namespace smmu::containment;

constexpr std::uint64_t page = 4096, gigabyte = std::uint64_t{1} << 30;

[[noreturn]] void give_up(const std::string& why) {
    fmt::print(stderr, "bookkeeping: {}\n", why);
    std::exit(EXIT_FAILURE);
}

// Tables that are always there, always free and never looked at.
class NoTables final : public units::AddressSpace {
public:
    Result<bool> map_in_place(const paging::Map&) noexcept override { return true; }
    Result<bool> unmap_in_place(IovaRange) noexcept override { return true; }
    Result<units::Plan> prepare(std::span<const units::Change>) override { return units::Plan{}; }
    Result<units::Progress> commit(units::Plan& plan, units::Budget&) noexcept override {
        plan.stage = units::Plan::Stage::done;
        return units::Progress::done;
    }
    void abandon(units::Plan&&) noexcept override {}
    paging::Target translate(Iova) const noexcept override { return {}; }
    std::uint64_t table_frames() const noexcept override { return 0; }
};

class NoUnit final : public units::IommuUnit {
public:
    NoUnit() {
        capabilities_.input_bits = 48;
        capabilities_.output_bits = 52;
    }
    const units::Capabilities& capabilities() const noexcept override { return capabilities_; }
    units::UnitState state() const noexcept override { return units::UnitState::containing; }
    Result<std::unique_ptr<units::AddressSpace>> create_space(memory::Account&) override {
        return std::make_unique<NoTables>();
    }
    Result<void> retire(std::unique_ptr<units::AddressSpace>) noexcept override { return {}; }
    Result<units::TakeOver> take_over(std::span<const units::Assignment>) override { return units::TakeOver{}; }
    Result<void> attach(StreamId, units::AddressSpace&) noexcept override { return {}; }
    Result<void> block(StreamId, units::Recording) noexcept override { return {}; }
    Result<void> record(StreamId, units::Recording) noexcept override { return {}; }
    void hard_stop() noexcept override {}
    Result<void> recheck() noexcept override { return {}; }
    units::Drained drain(units::RefusalSink&) noexcept override { return {}; }
    Result<void> turn_off() noexcept override { return {}; }
    Result<void> leave(units::Kept) noexcept override { return {}; }
    units::UnitReport report() const override { return {}; }

private:
    units::Capabilities capabilities_;
};

class NoControl final : public DeviceControl {
    void bus_master_off(const topology::Device&) noexcept override {}
    void begin_reset(const topology::Device&) noexcept override {}
    bool resetting(const topology::Device&) const noexcept override { return false; }
};

constexpr unsigned devices = 8;

// So many functions, each a group of its own, behind one unit.
topology::Topology machine() {
    topology::Topology made;
    made.units.emplace_back().name = "unit";
    for (unsigned i = 0; i < devices; ++i) {
        topology::Device device;
        device.id = topology::PciAddress{0, 0, std::uint8_t(i), 0};
        device.streams = {topology::Stream{UnitId{0}, StreamId{i}, {}}};
        device.registers = {*PhysRange::from_length(PhysAddr{0xf0000000 + i * 0x10000}, 0x10000)};
        device.group = GroupId{i};
        made.devices.push_back(device);
        made.groups.emplace_back().devices.push_back(DeviceIndex{i});
    }
    made.protected_memory = {{*PhysRange::from_length(PhysAddr{0xfed90000}, page), "registers of the unit"}};
    return made;
}

class House {
public:
    House() {
        std::vector<DrivenUnit> drivers(1);
        drivers[0].driver = std::make_unique<NoUnit>();
        Policy policy;
        policy.grants_per_user = ~std::uint64_t{0};
        service_ = std::make_unique<Containment>(machine(), std::move(drivers), control_, clock_, policy);
        for (const auto& taken : service_->take_over())
            if (!taken) give_up(taken.error().text);
    }
    ClientId connect() {
        Identity identity;
        identity.command = "benchmark";
        identity.abilities = {.attach = true, .target = true};
        identity.unlimited = true;
        return value(service_->connect(identity));
    }
    ObjectId object(ClientId client) { return value(service_->create_object(client, false)); }
    void run(Result<std::shared_ptr<Operation>> begun) {
        const auto operation = value(std::move(begun));
        units::Budget budget;
        while (operation->step(budget) == units::Progress::more) budget = {};
        if (const auto result = operation->result(); !result) give_up(result.error().text);
    }
    void add(ClientId client, ObjectId object, unsigned device) {
        run(service_->add_device(client, object, PciQuery{0, 0, device, 0}));
    }
    void remove(ClientId client, unsigned device) {
        if (auto removed = service_->remove_device(client, PciQuery{0, 0, device, 0}); !removed)
            give_up(removed.error().text);
    }
    void change(ClientId client, ObjectId object, GrantRequest request) {
        run(service_->change_grants(client, object, std::move(request)));
    }
    Containment& service() { return *service_; }

private:
    template <class T>
    T value(Result<T> result) {
        if (!result) give_up(result.error().text);
        return std::move(*result);
    }
    NoControl control_;
    SteadyClock clock_;
    std::unique_ptr<Containment> service_;
};

// Of this program's own processor time: there is nothing to wait for, and other programs do not count.
double nanoseconds(auto work) {
    const auto now = [] {
        timespec time{};
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
        return double(time.tv_sec) * 1e9 + double(time.tv_nsec);
    };
    const double start = now();
    work();
    return now() - start;
}

double median(std::vector<double> values) {
    std::ranges::sort(values);
    return values[values.size() / 2];
}

// Bytes that this process has allocated and not freed.
std::uint64_t allocated() {
    const auto info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

// Neighbours whose targets run backwards, so that no two are one piece; every 64th place is left free.
constexpr std::uint64_t first_target = 256 * gigabyte;
GrantRequest::Piece piece_at(std::uint64_t place) {
    return {*IovaRange::from_length(Iova{gigabyte + place * page}, page), PhysAddr{first_target - place * page}};
}
std::uint64_t held_place(std::uint64_t i) { return i / 63 * 64 + i % 63; }
std::uint64_t free_place(std::uint64_t i) { return i * 64 + 63; }

GrantRequest request(GrantRequest::Pieces pieces, Access access) {
    GrantRequest made;
    made.pieces = std::move(pieces);
    made.access = access;
    made.translated = access != Access::none;
    return made;
}

// A client with an object of so many grants.
struct Holder {
    Holder(House& the_house, unsigned device, std::uint64_t grants)
        : house(the_house), client(house.connect()), object(house.object(client)), held(grants) {
        house.add(client, object, device);
        constexpr std::uint64_t at_once = 512;
        const std::uint64_t before = allocated();
        for (std::uint64_t i = 0; i < grants; i += at_once) {
            GrantRequest::Pieces pieces;
            for (std::uint64_t j = i; j < std::min(grants, i + at_once); ++j) pieces.push_back(piece_at(held_place(j)));
            house.change(client, object, request(std::move(pieces), read_write));
        }
        bytes_per_grant = double(allocated() - before) / double(grants);
    }
    void map_and_unmap(std::uint64_t place) {
        house.change(client, object, request({piece_at(place)}, read_write));
        house.change(client, object, request({piece_at(place)}, Access::none));
    }

    House& house;
    ClientId client;
    ObjectId object;
    std::uint64_t held;
    double bytes_per_grant = 0;
};

void one_page(House& house, std::uint64_t most, int rounds) {
    constexpr int pages = 100;  // a block is short, so that most are not interrupted
    constexpr int blocks = 20;
    std::vector<Holder> holders;
    for (const std::uint64_t grants : {std::uint64_t{1}, std::uint64_t{1000}, most})
        holders.emplace_back(house, unsigned(holders.size()), grants);
    std::vector<std::vector<double>> same(holders.size()), anywhere(holders.size());
    std::mt19937_64 random(1);
    for (int round = 0; round < rounds * blocks; ++round)
        for (std::size_t h = 0; h < holders.size(); ++h) {
            const std::uint64_t places = holders[h].held / 63 + 1;
            same[h].push_back(nanoseconds([&] {
                                  for (int i = 0; i < pages; ++i) holders[h].map_and_unmap(free_place(places / 2));
                              }) / pages);
            anywhere[h].push_back(nanoseconds([&] {
                                      for (int i = 0; i < pages; ++i)
                                          holders[h].map_and_unmap(free_place(random() % places));
                                  }) / pages);
        }
    for (std::size_t h = 0; h < holders.size(); ++h)
        fmt::print("one page granted and removed beside {} grants: {:.0f} ns (ratio {:.2f}), anywhere in it {:.0f} ns (ratio "
                   "{:.2f}); {:.1f} bytes per grant\n",
                   holders[h].held, median(same[h]), median(same[h]) / median(same[0]), median(anywhere[h]),
                   median(anywhere[h]) / median(anywhere[0]), holders[h].bytes_per_grant);
    for (const Holder& holder : holders) house.service().disconnect(holder.client);
}

void lists(House& house, int rounds) {
    constexpr std::uint64_t listed = 512;
    Holder holder(house, 0, 100'000);
    std::vector<double> one, list, removal;
    GrantRequest::Pieces pieces;
    for (std::uint64_t i = 0; i < listed; ++i) pieces.push_back(piece_at(200'000 + i));
    for (int round = 0; round < rounds * 20; ++round) {
        one.push_back(nanoseconds([&] { house.change(holder.client, holder.object, request({pieces[0]}, read_write)); }));
        house.change(holder.client, holder.object, request({pieces[0]}, Access::none));
        list.push_back(nanoseconds([&] { house.change(holder.client, holder.object, request(pieces, read_write)); }));
        removal.push_back(nanoseconds([&] { house.change(holder.client, holder.object, request(pieces, Access::none)); }));
    }
    fmt::print("{} grants in one call: {:.0f} ns each, their removal {:.0f} ns each; one alone {:.0f} ns\n", listed,
               median(list) / listed, median(removal) / listed, median(one));
    house.service().disconnect(holder.client);
}

void joining(House& house, std::uint64_t most, int rounds) {
    const auto measure = [&](const char* what, Holder& holder) {
        std::vector<double> join, leave;
        for (int round = 0; round < rounds; ++round) {
            join.push_back(nanoseconds([&] { house.add(holder.client, holder.object, 1); }));
            leave.push_back(nanoseconds([&] { house.remove(holder.client, 1); }));
        }
        fmt::print("a second device joins {}: {:.0f} ns, and leaves: {:.0f} ns\n", what, median(join), median(leave));
        house.service().disconnect(holder.client);
    };
    Holder whole(house, 0, 1);
    GrantRequest large;
    large.pieces = {{*IovaRange::from_length(Iova{64 * gigabyte}, 64 * gigabyte), PhysAddr{64 * gigabyte}}};
    large.access = read_write;
    house.change(whole.client, whole.object, std::move(large));
    measure("64 GiB", whole);
    Holder many(house, 0, most);
    measure(fmt::format("{} grants", most).c_str(), many);
    Holder others(house, 2, most);
    Holder few(house, 0, 1);
    measure("one grant, where another client has as many", few);
    house.service().disconnect(others.client);
}

void ends(House& house, std::uint64_t most, int rounds) {
    std::vector<double> object, client;
    for (int round = 0; round < rounds; ++round) {
        Holder first(house, 0, most);
        object.push_back(nanoseconds([&] { (void)house.service().destroy_object(first.client, first.object); }));
        house.service().disconnect(first.client);
        Holder second(house, 0, most);
        client.push_back(nanoseconds([&] { house.service().disconnect(second.client); }));
    }
    fmt::print("the end of an object of {} grants: {:.2f} ms, of its client: {:.2f} ms\n", most, median(object) / 1e6,
               median(client) / 1e6);
}

}  // namespace

int main(int argc, char** argv) {
    const int rounds = argc > 1 ? std::max(1, std::atoi(argv[1])) : 9;
    const std::uint64_t most = argc > 2 ? std::strtoull(argv[2], nullptr, 0) : 1'000'000;
    House house;
    one_page(house, most, rounds);
    lists(house, rounds);
    joining(house, most, rounds);
    ends(house, most, std::min(rounds, 3));
}
