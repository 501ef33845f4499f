#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# checks.sh SOURCE BUILD: run by systemd.sh inside; ends with "all checks passed".
set -eu
source=$1
build=$2
prefix=$(sed -n 's/^prefix=//p' "$build/smmu.pc")
PATH=$prefix/bin:$prefix/sbin:$PATH
SMMU_BOARD_DIR=/run/boards SMMU_BOARDS=$source/boards/qemu
export SMMU_BOARD_DIR SMMU_BOARDS
configuration=$(sed -n 's/.*@\(\/[^ "]*\).*/\1/p' "$build/smmuman.service")

failed() {
    echo "FAILED: $*"
    systemctl status --no-pager --full smmuman smmuman-log || true
    journalctl -q --no-pager -b -u smmuman -u smmuman-log | tail -n 40
    exit 1
}
# is WHAT PROPERTY VALUE: of a unit
is() { [ "$(systemctl show "$1" -p "$2" --value)" = "$3" ] || failed "$1: $2 is $(systemctl show "$1" -p "$2" --value), not $3"; }
# soon COMMAND...: within a minute
soon() {
    i=0
    until "$@" >/dev/null 2>&1; do
        i=$((i + 1))
        [ $i -lt 600 ] || failed "not in time: $*"
        sleep 0.1
    done
}
configure() { printf 'smmu vtd\nplatform board q35-vtd\n%s\n' "$*" >"$configuration"; }
run_board() {
    smmu-board q35-vtd >/run/boards/said 2>&1 &
    board=$!
    soon grep ^ready /run/boards/said
}
end_board() {
    smmu-board --stop q35-vtd
    wait "$board" || true
}
has_started_again() { [ "$(systemctl show smmuman -p NRestarts --value)" = "$1" ] && systemctl is-active smmuman; }
log_says() { journalctl -q -u smmuman-log | grep "smmuman-log: $1"; }
has_the_record() {
    journalctl -q SMMU_DEVICE=0000:00:03.0 SMMU_ADDRESS=0x5000000 SMMU_CAUSE=never-granted "_UID=$(id -u smmuman-log)" |
        grep 'write at 0x5000000'
}

systemd-sysusers
systemd-tmpfiles --create smmuman.conf
mkdir -p /run/boards "$(dirname "$configuration")" /etc/systemd/system/smmuman.service.d
cp "$source/tests/systemd/sandbox.sh" /run/boards/ # the tree may lie where the sandbox does not let it be seen
# The service is on an emulated board, and is waited for less long. What looks for leaks needs system calls that a
# sandbox refuses.
cat >/etc/systemd/system/smmuman.service.d/test.conf <<END
[Service]
Environment=SMMU_BOARD_DIR=/run/boards ASAN_OPTIONS=detect_leaks=0
WatchdogSec=5
ExecStartPre=/bin/sh /run/boards/sandbox.sh
END
systemctl daemon-reload
run_board
systemctl enable smmuman smmuman-log 2>/dev/null

# Without a configuration nothing is touched, and nothing tried again.
! systemctl start smmuman 2>/dev/null || failed "it starts without a configuration"
is smmuman ExecMainStatus 2
is smmuman NRestarts 0
systemctl reset-failed smmuman

configure
systemctl start smmuman || failed "it does not start"
case $(systemctl show smmuman -p StatusText --value) in
"contained 1 of 1 units"*) ;;
*) failed "it is active and not contained" ;;
esac
[ "$(stat -c '%a %U' /run/smmuman /run/smmuman/smmuman.sock | tr '\n' ' ')" = '755 root 666 root ' ] || failed "modes in /run/smmuman"
soon log_says listening

# A driver of an ordinary process, whose device goes astray: the record is in the journal with its fields.
printf 'attach\ngrant 4096\ncopy\nstray 0x5000000\ndetach\nquit\n' | "$build/bin/edu_driver" 0:3.0 >/run/driver || failed "the driver: $(cat /run/driver)"
soon has_the_record

if command -v smmuman-holder >/dev/null; then
    is smmuman-holder ActiveState active
    ! systemctl stop smmuman-holder 2>/dev/null || failed "the holder of table memory can be stopped"
    holder=$(systemctl show smmuman-holder -p MainPID --value)
fi

systemctl reload smmuman || failed "it cannot be reloaded"
configure nonsense
! systemctl reload smmuman 2>/dev/null || failed "a reload of nonsense succeeds"
is smmuman ActiveState active
configure

# A crash, and a service that hangs: what clients left is blocked, and a new instance adopts.
systemctl kill -s SEGV smmuman
soon has_started_again 1
systemctl kill -s STOP smmuman
soon has_started_again 2
[ "$(journalctl -q -u smmuman | grep -c 'safe state: vtd@fed90000: clients are blocked, startup mappings stay')" = 2 ] || failed "no safe state after a crash"
smmuctl status || failed "not contained"

systemctl stop smmuman
is smmuman Result success
is smmuman-log ActiveState active
soon log_says 'the service is gone'
[ -z "${holder-}" ] || is smmuman-holder MainPID "$holder"

# A trial that nobody confirms ends, the unit is off again, and it does not begin anew.
end_board
run_board
configure trial 2
systemctl start smmuman || failed "a trial does not start"
soon systemctl is-failed smmuman
is smmuman ExecMainStatus 4
sleep 1
is smmuman ActiveState failed
end_board
echo 'all checks passed'
