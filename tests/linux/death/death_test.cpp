// SPDX-License-Identifier: Apache-2.0
// The end of a client on a real kernel, with its device at work: memory goes to another process and stays intact there, the device
// is quiet and reset. The pool of huge pages has just those of the tables and of one client, so that the next process gets the same.
#include <gmock/gmock.h>

#include <map>

#include "tests/linux/machine.hpp"

namespace smmu::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

class ClientDeath : public testing::TestWithParam<Machine> {
protected:
    void SetUp() override { ASSERT_EQ(ended().status, 0) << testing::PrintToString(ended()); }
    std::string result(const std::string& name) const { return ended().results[name]; }

private:
    static Ended& ended() {
        static std::map<std::string, Ended> of_machines;
        const auto known = of_machines.find(GetParam().architecture);
        return known != of_machines.end() ? known->second : of_machines.emplace(GetParam().architecture, boot(GetParam())).first->second;
    }
    // The pool is made at the kernel's start, so that tables of 2 MiB and the client's 4 MiB are all there is.
    static Ended boot(const Machine& machine) {
        Guest guest = machine.guest(machine.given_up + " hugepages=3 initcall_blacklist=nvme_init");
        guest.programs = {"smmuman", "smmuman-holder", "smmuctl", "host_edu"};
        guest.devices = {"nvme,serial=1,addr=5"};
        return guest.run("start='" + machine.service() + R"sh( tables 2M'
smmuman-holder & while [ ! -S /run/smmuman-holder/socket ]; do sleep 0.1; done
mkdir -p /run/smmuman
keep start $start
# begin NAME TASK...: the client has begun when it says so.
begin() {
    result=/results/$1
    shift
    host_edu "$@" >"$result" & client=$!
    until grep -qE 'works|owns' "$result"; do sleep 0.1; [ -e /proc/$client/exe ] || exit 1; done
}
free_pages() { sed -n 's/HugePages_Free: *//p' /proc/meminfo; }
until_free() { i=0; while [ "$(free_pages)" != 2 ] && [ $i -lt 100 ]; do sleep 0.05; i=$((i + 1)); done; free_pages; }
begin former work
kill -9 $client
until_free >/results/free
keep heir host_edu inherit
keep refused smmuctl --json status
# The service dies with its client: the next one blocks before it lets go.
begin former_of_both work
kill -9 $(pidof smmuman) $client
sleep 0.5
free_pages >/results/free_in_the_gap
keep restart $start
until_free >/results/free_after_restart
keep heir_after_restart host_edu inherit
# A device that can be reset, with interrupts on, as a driver has them.
nvme=/sys/bus/pci/devices/0000:00:05.0/config
byte() { hexdump -s $1 -n 1 -e '1/1 "%02x"' $nvme; }
begin owner own 5
printf '\200' | dd of=$nvme bs=1 seek=67 conv=notrunc 2>/dev/null
echo "command $(byte 4) capability $(byte 64) control $(byte 67)" >/results/owned
kill -9 $client
sleep 1
echo "command $(byte 4) capability $(byte 64) control $(byte 67)" >/results/left
)sh");
    }
};

TEST_P(ClientDeath, AnotherProcessGetsTheSamePagesAndTheyStayIntact) {
    EXPECT_THAT(result("former"), AllOf(StartsWith("pages 0x"), HasSubstr("works: yes"))) << result("start.errors");
    EXPECT_EQ(result("free"), "2\n") << "the service let go of them";
    const std::string pages = result("former").substr(0, result("former").find('\n') + 1);
    EXPECT_EQ(result("heir"), pages + "device is quiet: yes\npages are intact: yes\n");
    EXPECT_THAT(result("refused"), HasSubstr("\"address\": " + std::to_string(0x101000)));
}

TEST_P(ClientDeath, MemoryIsHeldWhileNoServiceCouldBlockTheDevice) {
    EXPECT_THAT(result("former_of_both"), HasSubstr("works: yes"));
    EXPECT_EQ(result("free_in_the_gap"), "0\n") << "the device still reaches it";
    EXPECT_EQ(result("restart.status"), "0\n") << result("restart.errors");
    EXPECT_EQ(result("free_after_restart"), "2\n");
    EXPECT_THAT(result("heir_after_restart"), HasSubstr("pages are intact: yes"));
}

TEST_P(ClientDeath, TheNextOwnerStartsWithADeviceThatIsResetAndQuiet) {
    EXPECT_EQ(result("owned"), "command 06 capability 11 control 80\n") << "memory and bus mastering, MSI-X";
    EXPECT_EQ(result("left"), "command 02 capability 11 control 00\n");
}

INSTANTIATE_TEST_SUITE_P(Machines, ClientDeath, machines(), name_of_machine);

}  // namespace
}  // namespace smmu::test
