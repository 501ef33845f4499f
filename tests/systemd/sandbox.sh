#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# sandbox.sh: run by systemd in the sandbox of smmuman.service, before it: what a real machine needs is open, the rest is not.
set -eu
for path in /run/smmuman /sys/devices /sys/kernel/mm/hugepages /proc/sys/kernel/kexec_load_disabled; do
    [ ! -e "$path" ] || [ -w "$path" ] || { echo "sandbox: $path cannot be written"; exit 1; }
done
for path in /etc /usr /run /var /sys/kernel /proc/sys/kernel /sys/fs/cgroup; do
    [ ! -w "$path" ] || { echo "sandbox: $path can be written"; exit 1; }
done
[ ! -e /dev/mem ] || : <>/dev/mem
[ ! -e /dev/kmsg ] || ! (: <>/dev/kmsg) 2>/dev/null || { echo "sandbox: other devices are open"; exit 1; }
# CAP_SYS_RAWIO and CAP_SYS_ADMIN
grep -q '^CapEff:.*0000000000220000$' /proc/self/status || { echo "sandbox: $(grep ^CapEff /proc/self/status)"; exit 1; }
