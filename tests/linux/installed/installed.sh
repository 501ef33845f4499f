# SPDX-License-Identifier: Apache-2.0
# The installed packages on one machine, from installation to removal, with a disk and a network card behind the unit. Run in a
# guest by installed_test.cpp, which says what each result must be. LONG=1: also what takes long.
# shellcheck disable=SC2317 # functions are called by the names that `soon` and `keep` are given
export TERM=dumb SYSTEMD_PAGER=''
export ASAN_OPTIONS=detect_leaks=0 # a program that uses up its descriptors has none left to look for leaks with
configuration=/etc/smmuman/smmuman.smmu

soon() {
    deadline=$(($(uptime_seconds) + 120))
    until "$@" >/dev/null 2>&1; do
        [ "$(uptime_seconds)" -lt $deadline ] || { echo "not in time: $*"; return 1; }
        sleep 0.2
    done
}
uptime_seconds() { cut -d. -f1 /proc/uptime; }
# Like the command of this name, and for functions of this script, too; NAME may be in a folder.
keep() {
    result=/results/$1
    shift
    mkdir -p "${result%/*}"
    "$@" >"$result" 2>"$result.errors"
    echo $? >"$result.status"
}
step() { echo "-- $*"; }
# Bit 31 of the unit's status: it translates.
unit() { guest_probe register 0xfed9001c; }
# What was written comes back from the disk, and 10.0.2.2 answers.
devices_work() {
    dd if=/dev/urandom of=/disk/file bs=64k count=8 conv=fsync 2>/dev/null && wanted=$(md5sum </disk/file) &&
        echo 3 >/proc/sys/vm/drop_caches && [ "$(md5sum </disk/file)" = "$wanted" ] && ping -q -c 1 -W 10 10.0.2.2 >/dev/null && echo work
}
of() { systemctl show "$1" -p "$2" --value; }
started_again() { [ "$(of smmuman NRestarts)" = "$1" ] && systemctl is-active smmuman; }
free_pages() { grep HugePages_Free /proc/meminfo; }

step 'a machine with a disk and a network card'
soon [ -e /dev/nvme0n1 ]
mke2fs /dev/nvme0n1 >/dev/null 2>&1
mkdir /disk && mount -t ext4 /dev/nvme0n1 /disk
card=$(basename /sys/bus/pci/devices/0000:00:06.0/virtio*/net/*)
ip address add 10.0.2.15/24 dev "$card" && ip link set "$card" up
keep before/devices devices_work
keep before/unit unit
keep before/wild hostile wild

step 'installation changes nothing'
keep install/dpkg dpkg -i packages/*.deb
[ -x /usr/sbin/smmuman ] || exit 1
keep install/enabled systemctl is-enabled smmuman smmuman-log smmuman-holder
keep install/active systemctl is-active smmuman smmuman-log smmuman-holder
keep install/unit unit
keep install/security systemd-analyze security --no-pager smmuman smmuman-log smmuman-holder

step 'a start that would cut the disk off is refused'
echo 'smmu vtd' >$configuration
systemctl start smmuman 2>/dev/null
keep refused/status of smmuman ExecMainStatus
keep refused/journal journalctl -q -o cat -u smmuman
keep refused/unit unit
systemctl reset-failed smmuman

step 'check'
keep check/machine smmuman --check platform linux
cp /results/check/machine $configuration
keep check/pasted smmuman --check @$configuration

step 'trial'
systemctl start smmuman-holder
smmuman foreground trial 600 @$configuration 2>/results/trial-said &
trial=$!
soon grep -q 'contained 1 of 1' /results/trial-said
keep trial/unit unit
keep trial/devices devices_work
kill $trial
keep trial/end wait $trial
keep trial/unit_after unit

step 'enable'
keep enable/start systemctl enable --now smmuman
keep enable/unit unit
keep enable/text of smmuman StatusText
keep enable/devices devices_work
keep enable/log systemctl is-active smmuman-log

step 'transgressions are in the journal'
soon sh -c 'journalctl -q -u smmuman-log | grep -q listening'
keep copy host_edu copy
soon sh -c 'journalctl -q SMMU_DEVICE=0000:00:03.0 | grep -q .'
keep journal/record journalctl -q -o json SMMU_DEVICE=0000:00:03.0
keep journal/explained journalctl -q -x SMMU_DEVICE=0000:00:03.0

step 'reload'
keep reload/good systemctl reload smmuman
cp $configuration good && echo nonsense >>$configuration
keep reload/nonsense systemctl reload smmuman
cp good $configuration
keep reload/active systemctl is-active smmuman

step 'a restart while disk, network and a driver are at work'
(while [ ! -e enough ]; do devices_work >/dev/null || echo failed; done >/results/load) &
load=$!
free_pages >/results/free_before
host_edu hold >/results/hold &
driver=$!
soon grep -q behind /results/hold
keep restart/restart systemctl restart smmuman
keep restart/unit unit
keep restart/status smmuctl status
kill -9 $driver

step 'hostile programs'
pid=$(of smmuman MainPID)
for task in packets descriptors memory deaths crowd; do keep hostile/$task hostile $task; done
keep hostile/copy host_edu copy
keep hostile/same_service [ "$pid" = "$(of smmuman MainPID)" ]
free_pages >/results/free_after

step 'an upgrade touches nothing; then the service is killed'
keep upgrade/dpkg dpkg -i next/*.deb
keep upgrade/same_service [ "$pid" = "$(of smmuman MainPID)" ]
keep upgrade/unit unit
systemctl kill -s KILL smmuman
keep killed/again soon started_again 1
keep killed/unit unit
keep killed/journal journalctl -q -o cat -u smmuman
keep killed/copy host_edu copy
touch enough
wait $load

if [ -n "${LONG-}" ]; then
    step 'a service that hangs'
    systemctl kill -s STOP smmuman
    keep hung/again soon started_again 2
    keep hung/copy host_edu copy
fi

step 'removal'
holder=$(of smmuman-holder MainPID)
keep remove/dpkg dpkg -r smmuman-examples smmuman smmuctl libsmmu0
keep remove/holder [ "$holder" = "$(of smmuman-holder MainPID)" ]
keep remove/holder_stop systemctl stop smmuman-holder
keep remove/holder_active systemctl is-active smmuman-holder
keep remove/unit unit
keep remove/wild hostile wild
keep remove/devices devices_work
dmesg | grep -i -e nvme -e virtio -e I/O >/results/kernel
echo complete >/results/end
exit 0
