#!/bin/busybox sh
# SPDX-License-Identifier: Apache-2.0
# The first process of a guest without systemd: makes the usual places, and becomes /guest/run.
/bin/busybox mkdir -p /tmp /run
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox mount -t devtmpfs devtmpfs /dev
/bin/busybox mkdir -p /dev/shm
/bin/busybox mount -t tmpfs tmpfs /dev/shm
/bin/busybox mount -t tmpfs tmpfs /tmp
/bin/busybox mount -t tmpfs tmpfs /run
exec /guest/run
