#!/bin/busybox sh
# SPDX-License-Identifier: Apache-2.0
# The first process of a guest: makes the usual places, runs /guest/script, sends its exit status and what it left in /results
# over the second serial line as a tar archive, and switches off.
/bin/busybox --install -s /bin
export PATH=/bin HOME=/root
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/shm /tmp /run /report/results
mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs tmpfs /tmp
mount -t tmpfs tmpfs /run
ln -s /report/results /results
for module in /guest/modules/*.ko; do
    [ ! -e "$module" ] || insmod "$module"
done
sh /guest/script </dev/null
echo $? >/report/status
{
    stty raw -echo
    tar -c -C /report status results
} <>/guest/results_line >&0
poweroff -f
