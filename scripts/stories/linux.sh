# SPDX-License-Identifier: Apache-2.0
# The story of ./demo linux-x86 and linux-arm64, which a guest runs: smmuman on a stock Debian kernel. KIND is the support module
# that drives the unit, OPEN the register and the value that open the hardware behind the service's back, used with BREAK=1.
configuration=/tmp/machine.smmu

# The device is told to write where nobody allowed it.
stray_write_is() { hostile wild >/tmp/wild; [ "$(cat /tmp/wild)" = "$1" ]; }
start() { smmuman @$configuration >/tmp/start 2>&1; }
end_service() {
    kill "$1" "$(pidof smmuman)"
    soon sh -c '! pidof smmuman'
}
has_disk() { [ -e /sys/bus/pci/devices/0000:00:05.0 ]; }
disk_works() {
    dd if=/dev/urandom of=/tmp/file bs=64k count=4 && dd if=/tmp/file of=/dev/nvme0n1 bs=64k conv=fsync &&
        echo 3 >/proc/sys/vm/drop_caches && dd if=/dev/nvme0n1 of=/tmp/read bs=64k count=4 && cmp /tmp/file /tmp/read
}

echo "$(uname -sr) on $(uname -m); its own driver of the IOMMU is off: $(tr ' ' '\n' </proc/cmdline | grep -e iommu=off -e blacklist | tr '\n' ' ')"

title 'Without smmuman: the control'
claim 'a stray write of 0000:00:03.0 overwrote a page of a program: nothing stops it' stray_write_is OVERWRITTEN

title 'The check, which touches nothing'
smmuman-holder &
soon [ -S /run/smmuman-holder/socket ]
if has_disk; then
    soon [ -b /dev/nvme0n1 ]
    smmuman --check smmu "$KIND" >$configuration 2>/tmp/check
    claim 'it names the disk that the kernel uses, and what to add' has '0000:00:05.0 is used by nvme' /tmp/check
    tail -n 1 /tmp/check | sed 's/^ */       /'
    echo "smmu $KIND" >/tmp/without_disk.smmu
    claim 'a start that would cut the disk off is refused, and changes nothing' sh -c \
        'smmuman @/tmp/without_disk.smmu; [ $? = 2 ]'
else
    smmuman --check smmu "$KIND" >$configuration 2>/tmp/check
fi
claim 'what it prints is a configuration; another check of it finds no error' sh -c \
    "smmuman --check @$configuration >/tmp/again; [ \$? -lt 2 ]"
grep -v '^#' $configuration | sed 's/^/       /'

title 'smmuman starts'
mkdir -p /run/smmuman
claim 'every unit is contained' start
tail -n 1 /tmp/start | sed 's/^/       /'
smmuctl units >/tmp/units && show /tmp/units
[ -z "${BREAK-}" ] || { # shellcheck disable=SC2086 # two words
    devmem ${OPEN% *} 32 "${OPEN#* }"
}
claim 'the same stray write is refused; the page is intact' stray_write_is refused
! has_disk || claim 'the disk works behind the unit' disk_works

title 'A driver grants its memory, by descriptor, and no more'
claim 'the driver runs' sh -c 'host_edu copy >/tmp/copy'
claim 'what was granted arrived' has '^granted: arrived' /tmp/copy
claim 'what was not is refused' has '^not granted: refused' /tmp/copy
claim 'a page taken away behind the back of the service is kept until the device can no longer reach it' has ': held' /tmp/copy
smmuctl devices >/tmp/devices
claim 'the refusals are counted for the device' has '0000:00:03.0' /tmp/devices
show /tmp/devices

title 'The service is killed'
end_service -KILL
claim 'nobody serves, and the hardware goes on refusing' stray_write_is refused
claim 'the next service adopts what hardware holds' start
claim 'drivers go on' sh -c 'host_edu copy && grep -q "^granted: arrived" /tmp/said'
! has_disk || claim 'so does the disk' disk_works

title 'The service is stopped'
end_service -TERM
claim 'the hardware goes on refusing until the machine starts anew' stray_write_is refused
! has_disk || claim 'the disk goes on working' disk_works
printf '\ndemo: every step was seen\n'
