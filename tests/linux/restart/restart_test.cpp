// SPDX-License-Identifier: Apache-2.0
// The service is killed on a real kernel while devices do DMA: at its k-th write of a start and of a restart, and at random. What
// configuration grants goes on without one refusal, what nobody granted never passes, and what was refused meanwhile is reported.
// In the short run some k are tried; LONG=1 tries all, and kills a thousand times at random.
#include <gmock/gmock.h>

#include <map>
#include <random>

#include "tests/linux/machine.hpp"

namespace smmu::test {
namespace {

using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

bool is_long() { return std::getenv("LONG") != nullptr; }

// The load, and $words for a service that lets it work. Its window is known when it runs.
constexpr const char* begin_load = R"sh(
smmuman-holder & while [ ! -S /run/smmuman-holder/socket ]; do sleep 0.1; done
mkdir -p /run/smmuman
host_load >/results/load & load=$!
until grep -q window /results/load; do sleep 0.1; done
read -r _ window _ victim </results/load
words="$words allow window $window,2M"
for device in 3 4 5 6; do words="$words device 0000:00:0$device.0 window"; done
phase() { echo "$*" >/tmp/phase; }
start() { smmuman $words >>/results/starts 2>&1 || { echo "NO START: $(cat /tmp/phase)" >>/results/failures; exit 1; }; touch /tmp/contained; }
die() { kill -9 "$1" && while [ -e "/proc/$1/exe" ]; do sleep 0.05; done; }
# Each device has done all that it does, once more.
let_work() { sleep 0.45; }
end_load() { kill $load; wait $load; }
)sh";

// How many writes there are to die at: a start is counted until it serves.
constexpr const char* count_writes = R"sh(
count_writes() {
    kill_at 0 /bin/smmuman $words foreground >/tmp/count 2>&1 & tracer=$!
    until smmuctl status >/dev/null 2>&1; do sleep 0.1; [ -e /proc/$tracer ] || { cat /tmp/count >>/results/failures; exit 1; }; done
    kill $tracer
    wait $tracer
    count=$(tail -n 1 /tmp/count | cut -d' ' -f1)
}
# die_at_each WHAT PREPARE: a service dies at each write of $tries that are spread over $count.
die_at_each() {
    [ $tries -le $count ] || tries=$count
    i=0
    while [ $i -lt $tries ]; do
        k=$((1 + i * (count - 1) / (tries - 1)))
        phase "$1, write $k of $count"
        $2
        kill_at $k /bin/smmuman $words foreground >/tmp/death 2>&1 || { phase; cat /tmp/phase /tmp/death >>/results/failures; }
        tail -n 1 /tmp/death >>/results/deaths
        let_work
        start
        let_work
        die $(pidof smmuman)
        i=$((i + 1))
    done
}
)sh";

// Delays in seconds between a start and the death; the same for the same seed.
std::string random_delays(std::size_t count) {
    const char* const seed = std::getenv("SMMU_TEST_SEED");
    std::mt19937 random(seed != nullptr ? unsigned(std::strtoul(seed, nullptr, 10)) : 1u);
    std::uniform_int_distribution<int> milliseconds(1, 400);
    std::string delays;
    for (std::size_t i = 0; i < count; ++i) delays += " 0." + std::to_string(1000 + milliseconds(random)).substr(1);
    return delays;
}

class Restart : public testing::TestWithParam<Machine> {
protected:
    // Runs the script after the load has begun, and ends the load.
    Ended run(const std::string& script) const {
        Guest guest = GetParam().guest(GetParam().given_up + " hugepages=40");
        guest.programs = {"smmuman", "smmuman-holder", "smmuctl", "guest_probe", "host_load", "host_edu", "kill_at"};
        for (const char* const place : {"4", "5", "6"}) guest.devices.push_back(std::string("edu,dma_mask=0xffffffffffffffff,addr=") + place);
        if (is_long()) guest.deadline = std::chrono::hours(1);
        return guest.run("words='smmu " + GetParam().kind + "'\nturn_off() { " + GetParam().turn_off + "; }\n" + begin_load + script);
    }
    static void expect_contained(Ended& ended) {
        EXPECT_EQ(ended.status, 0) << testing::PrintToString(ended);
        EXPECT_EQ(ended.results["failures"], "") << ended.results["starts"];
        EXPECT_THAT(ended.results["starts"], AllOf(HasSubstr("streams refused for 0 us"), Not(ContainsRegex("streams refused for [1-9]"))));
        EXPECT_THAT(ended.results["load"], ContainsRegex("copies [1-9][0-9]* lost [0-9]+ attacks [1-9][0-9]* passed 0\n"));
    }
    static void expect_undisturbed(Ended& ended) {
        expect_contained(ended);
        EXPECT_THAT(ended.results["load"], AllOf(HasSubstr(" lost 0 "), Not(HasSubstr(":"))));
    }
};

TEST_P(Restart, KilledAtAWriteOfAStart) {
    Ended ended = run("tries=" + std::string(is_long() ? "100000" : "20") + "\n" + count_writes + R"sh(
off_again() { rm -f /tmp/contained; let_work; turn_off; }
count_writes
die_at_each start off_again
end_load
)sh");
    expect_undisturbed(ended);
    EXPECT_THAT(ended.results["deaths"], AllOf(HasSubstr("write32"), HasSubstr("died after write 1:"), Not(HasSubstr(" writes"))));
}

TEST_P(Restart, KilledAtAWriteOfARestart) {
    Ended ended = run("tries=" + std::string(is_long() ? "100000" : "12") + "\n" + count_writes + R"sh(
nothing() { :; }
phase first
start
die $(pidof smmuman)
count_writes
die_at_each restart nothing
end_load
)sh");
    expect_undisturbed(ended);
    EXPECT_THAT(ended.results["deaths"], AllOf(HasSubstr("store"), HasSubstr("died after write 1:"), Not(HasSubstr(" writes"))));
}

TEST_P(Restart, KilledAtRandom) {
    Ended ended = run("phase first; start; die $(pidof smmuman)\nfor delay in" + random_delays(is_long() ? 1000 : 20) + R"sh(; do
    phase "death after $delay s"
    smmuman $words foreground >>/results/starts 2>&1 & service=$!
    sleep $delay
    kill -9 $service
    wait $service
done
phase last
start
keep status smmuctl status
end_load
)sh");
    expect_undisturbed(ended);
    EXPECT_THAT(ended.results["status"], HasSubstr("1 of 1 units contained"));
}

// Nobody listens while it happens: what the unit wrote down comes to light at the next start.
TEST_P(Restart, WhatWasRefusedInTheGapIsReported) {
    Ended ended = run(R"sh(
phase gap
start
let_work
end_load
keep before smmuctl devices
die $(pidof smmuman)
keep strike host_edu strike 0x7654000
start
keep events smmuctl --json status
keep after smmuctl devices
)sh");
    expect_undisturbed(ended);
    EXPECT_EQ(ended.results["strike"], "done\n");
    EXPECT_THAT(ended.results["events"], HasSubstr("\"address\": " + std::to_string(0x7654000))) << ended.results["after"];
}

// As if it had been reset behind the service's back: everything passes until the service looks. Then the unit is stopped before it
// is taken over anew, and a copy may be lost meanwhile.
TEST_P(Restart, AUnitThatLostItsStateIsTakenOverAgain) {
    Ended ended = run(R"sh(
phase lost
start
rm -f /tmp/contained
let_work
turn_off
sleep 2.5
touch /tmp/contained
let_work
keep status smmuctl status
keep service pidof smmuman
end_load
)sh");
    expect_contained(ended);
    EXPECT_THAT(ended.results["starts"], HasSubstr("the machine is no longer what it was"));
    EXPECT_THAT(ended.results["status"], HasSubstr("1 of 1 units contained"));
    EXPECT_EQ(ended.results["service.status"], "0\n") << "the service goes on";
}

INSTANTIATE_TEST_SUITE_P(Machines, Restart, machines(), name_of_machine);

}  // namespace
}  // namespace smmu::test
