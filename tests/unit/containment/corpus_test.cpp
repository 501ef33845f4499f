// SPDX-License-Identifier: Apache-2.0
// A labelled corpus: thousands of refusals whose cause is known from how each was brought about, held against what the
// service says. Addresses are fresh for each, so that no situation explains another; what stays ambiguous on purpose is
// none of these.
#include <array>
#include <cstdlib>
#include <map>
#include <random>

#include "tests/unit/containment/house.hpp"

namespace smmu::containment::testing {
namespace {

constexpr int situations = 4000;
constexpr std::uint64_t four_gib = std::uint64_t{4} << 30, region = std::uint64_t{16} << 20;

class Corpus : public House {
protected:
    struct Party {
        ClientId client;
        ObjectId object;
        pid_t pid;
    };
    struct Outcome {
        Cause expected, said;
        pid_t owner, said_owner;
    };

    Corpus() {
        const char* seed = std::getenv("SMMU_TEST_SEED");
        random.seed(seed != nullptr ? std::strtoul(seed, nullptr, 10) : 1);
        for (const pid_t pid : {100, 200}) {
            const ClientId connected = client(pid, uid_t(1000 + pid));
            parties.push_back({connected, object(connected), pid});
        }
        EXPECT_EQ(add(parties[0].client, parties[0].object, alone), 0);
        EXPECT_EQ(add(parties[1].client, parties[1].object, twin), 0);
        Identity watcher = somebody(900, 2000);
        watcher.abilities.monitor = true;
        reader = *service->open_reader(*service->connect(watcher));
    }

    std::uint64_t up_to(std::uint64_t most) { return std::uniform_int_distribution<std::uint64_t>(0, most)(random); }
    // Somebody who has a device, and the stream of it.
    std::pair<const Party*, std::uint32_t> somebody_with_a_device() {
        const std::size_t which = up_to(1);
        return {&parties[swapped ? 1 - which : which], which == 0 ? 8 : 16};
    }
    // The devices change hands; what was refused before is the old owner's.
    void swap_devices() {
        const Party& first = parties[swapped ? 1 : 0];
        const Party& second = parties[swapped ? 0 : 1];
        EXPECT_EQ(remove(first.client, alone), 0);
        EXPECT_EQ(remove(second.client, twin), 0);
        EXPECT_EQ(add(second.client, second.object, alone), 0);
        EXPECT_EQ(add(first.client, first.object, twin), 0);
        swapped = !swapped;
    }
    void refuse(std::uint32_t stream, std::uint64_t address, Access access) {
        ASSERT_FALSE(unit0->dma(StreamId{stream}, Iova{address}, access)) << std::hex << address;
    }
    Access any_access() { return up_to(1) == 0 ? Access::read : Access::write; }

    // Brings one refusal about, whose cause is `cause`; the pid that it is charged to.
    pid_t bring_about(Cause cause, std::uint64_t fresh) {
        const auto [party, stream] = somebody_with_a_device();
        const std::uint64_t at = fresh + region / 2 + up_to(16) * page, inside = up_to(page - 1);
        const std::uint64_t length = (1 + up_to(7)) * page;
        switch (cause) {
            case Cause::unit_configuration: {
                units::Refusal ours;
                ours.stream = StreamId{stream};
                ours.address = Iova{at};
                ours.access = any_access();
                ours.reason = units::Refusal::Reason::configuration;
                unit0->refusals.push_back(ours);
                return party->pid;
            }
            case Cause::unknown_stream: refuse(std::uint32_t(0x1000 + up_to(0x1000)), at, any_access()); return 0;
            case Cause::not_attached: refuse(up_to(1) == 0 ? 24 : 48, at, any_access()); return 0;
            case Cause::protected_memory: {
                constexpr std::array<std::uint64_t, 3> nobodys{0xfed90000, 0xfee00000, 0xfeefff00};
                refuse(stream, nobodys[up_to(2)] + up_to(0xff), any_access());
                return party->pid;
            }
            case Cause::permission:
                EXPECT_EQ(grant(party->client, party->object, at, length, Access::read), 0);
                refuse(stream, at + inside, Access::write);
                return party->pid;
            case Cause::in_change: {
                EXPECT_EQ(grant(party->client, party->object, at, page, Access::read), 0);
                auto widening = service->change_grants(party->client, party->object, request(at, page));
                EXPECT_TRUE(widening);
                units::Budget none{0};
                EXPECT_EQ((*widening)->step(none), units::Progress::more);
                refuse(stream, at + inside, Access::read);
                units::Budget enough;
                while ((*widening)->step(enough) == units::Progress::more) enough = {};
                return party->pid;
            }
            case Cause::after_removal:
                EXPECT_EQ(grant(party->client, party->object, at, length), 0);
                EXPECT_EQ(grant(party->client, party->object, at, length, Access::none), 0);
                service->drain();  // the change itself is over
                clock.pause(std::chrono::microseconds(1 + up_to(1'000'000)));
                refuse(stream, at + inside, any_access());
                return party->pid;
            case Cause::overrun:
                EXPECT_EQ(grant(party->client, party->object, at, length), 0);
                service->drain();
                refuse(stream, up_to(1) == 0 ? at + length + inside : at - 1 - inside, any_access());
                return party->pid;
            case Cause::truncated: {
                const std::uint64_t high = (1 + up_to(100)) << 32, low = 0x2000'0000 + (fresh - four_gib) / 64;
                EXPECT_EQ(grant(party->client, party->object, translated(high | low, page, at)), 0);
                service->drain();
                refuse(stream, low + inside, any_access());
                return party->pid;
            }
            case Cause::never_granted: refuse(stream, at + inside, any_access()); return party->pid;
            case Cause::device_gone: break;  // no refusal
        }
        return 0;
    }

    std::mt19937_64 random;
    std::vector<Party> parties;
    bool swapped = false;
    Reader* reader = nullptr;
};

TEST_F(Corpus, CausesAreNamedRightAndOwnersNeverWrong) {
    constexpr int causes = int(Cause::device_gone);
    std::map<std::pair<Cause, Cause>, int> confusion;
    int right = 0;
    for (int i = 0; i < situations; ++i) {
        const Cause expected{std::uint8_t(up_to(causes - 1))};
        const pid_t owner = bring_about(expected, four_gib + std::uint64_t(i) * region);
        // Before anybody looks, the device may have gone to somebody else.
        if (up_to(9) == 0 && expected != Cause::in_change) swap_devices();
        service->drain();
        const auto record = reader->next();
        ASSERT_TRUE(record) << "situation " << i;
        const Transgression& said = record->transgression;
        EXPECT_EQ(said.owner_pid, owner) << "situation " << i << ", " << name(expected);
        ++confusion[{expected, said.cause}];
        right += said.cause == expected ? 1 : 0;
        while (reader->next()) ADD_FAILURE() << "one refusal, two records";
        clock.pause(std::chrono::milliseconds(200));  // no storm
        service->tick();
    }
    std::string matrix;
    for (const auto& [pair, count] : confusion)
        if (pair.first != pair.second)
            matrix += std::string(name(pair.first)) + " called " + std::string(name(pair.second)) + ": " + std::to_string(count) + "\n";
    EXPECT_GE(right, situations * 95 / 100) << matrix;
    RecordProperty("right", right);
}

}  // namespace
}  // namespace smmu::containment::testing
