# SPDX-License-Identifier: Apache-2.0
# The story of ./demo linux-vfio, which a guest runs: smmuman on a stock Debian kernel that keeps its IOMMU. With BREAK=1 the unit is
# to be opened behind the kernel's back, which the kernel does not allow.
pci=/sys/bus/pci/devices
give_to_programs() {
    echo vfio-pci >"$pci/$1/driver_override"
    echo "$1" >/sys/bus/pci/drivers_probe
}
start() { smmuman smmu vfio >/tmp/start 2>&1; }
# Of ten refusals in five seconds the kernel tells, and of no more.
whole_story() { sleep 6; host_vfio story >/tmp/story; }
hold() {
    host_vfio hold >/tmp/hold &
    driver=$!
    soon has waiting /tmp/hold
}

echo "$(uname -sr) on $(uname -m) keeps its IOMMU: $(tr ' ' '\n' </proc/cmdline | grep iommu=)"

title 'smmuman starts beside the kernel'
mkdir -p /run/smmuman
claim 'the unit that the kernel keeps is one of its own' start
smmuctl units >/tmp/units && show /tmp/units
[ -z "${BREAK-}" ] || claim "somebody opens the unit behind the kernel's back" devmem 0xfed90018 32 0

title 'A device without a driver of the kernel'
host_vfio claim 0 3 0 >/tmp/claim 2>&1
claim 'before it is bound to vfio-pci it is refused, with what to do' has vfio-pci /tmp/claim
give_to_programs 0000:00:03.0

title 'A driver grants its memory, by descriptor'
claim 'the driver runs' whole_story
claim 'memory named by its address is not taken: the kernel maps for programs only' has '^by address: ENOTSUP' /tmp/story
claim 'what was granted arrived' has '^granted: arrived' /tmp/story
claim 'what was not is refused' has '^not granted: refused' /tmp/story
claim 'the driver was told, from the log of the kernel' has '^record: ours of device 0:3.0' /tmp/story
claim 'what is cut out of a grant is refused' has '^cut out: refused' /tmp/story
claim 'in another object the device reaches that and nothing of the former' has '^moved, granted before: refused' /tmp/story
claim 'removed, it reaches nothing, whoever still has its descriptor' has '^removed, descriptor kept: refused' /tmp/story

title 'A device has one owner'
claim 'a driver has it' hold
host_vfio claim 0 3 0 >/tmp/claim 2>&1
claim 'another is told who that is' has '0000:00:03.0 belongs to' /tmp/claim
sed 's/^/       /' /tmp/claim

title 'The driver is killed'
kill -9 "$driver"
claim 'the next one has the device, and the whole story again' soon whole_story
claim 'what was granted arrived' has '^granted: arrived' /tmp/story

title 'The service is killed'
kill -9 "$(pidof smmuman)"
soon sh -c '! pidof smmuman'
claim 'the kernel has taken down what it mapped; the next service starts anew' start
claim 'drivers go on' whole_story
claim 'what was granted arrived' has '^granted: arrived' /tmp/story
claim 'what was not is refused' has '^not granted: refused' /tmp/story
printf '\ndemo: every step was seen\n'
