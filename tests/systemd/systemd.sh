#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# systemd.sh SOURCE BUILD: the installed units under a real systemd, which runs as the first process of namespaces of its own,
# over a copy-on-write view of this machine's files: sandbox, readiness, reload, crash, watchdog, stop, log. The checks are in
# checks.sh. Status 77: this machine does not allow it.
set -eu

# From here on in the namespaces; $1 is a folder for what is mounted, $2 and $3 as above.
if [ "${SMMU_INSIDE-}" = 1 ]; then
    place=$1 source=$2 build=$3
    root=$place/root
    mount --make-rprivate /
    mount -t tmpfs tmpfs "$place/store"
    mkdir "$place/store/upper" "$place/store/work"
    mount -t overlay overlay -o "lowerdir=/,upperdir=$place/store/upper,workdir=$place/store/work" "$root"
    mount -t proc proc "$root/proc"
    mount -t sysfs sysfs "$root/sys"
    mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
    mount --rbind /dev "$root/dev"
    mount -t tmpfs tmpfs "$root/run"
    mkdir -p "$root$source" "$root$build"
    mount --bind "$source" "$root$source"
    mount --bind "$build" "$root$build"
    mount --bind "$place/out" "$root/mnt"

    # A machine of its own, with nothing but these units.
    rm -rf "$root"/etc/systemd/system/* "$root/etc/machine-id"
    systemd-id128 new >"$root/etc/machine-id"
    DESTDIR=$root cmake --install "$build" >"$place/out/install.log"
    units=$root/etc/systemd/system
    for unit in systemd-udevd.service systemd-udev-trigger.service systemd-hwdb-update.service systemd-update-utmp.service \
        systemd-random-seed.service systemd-remount-fs.service dev-hugepages.mount dev-mqueue.mount sys-kernel-debug.mount \
        sys-kernel-tracing.mount systemd-modules-load.service systemd-sysctl.service systemd-timesyncd.service \
        kmod-static-nodes.service systemd-tmpfiles-setup-dev.service systemd-firstboot.service; do
        ln -s /dev/null "$units/$unit"
    done
    printf '[Unit]\nRequires=basic.target checks.service\nAfter=basic.target\n' >"$units/checks.target"
    cat >"$units/checks.service" <<END
[Unit]
After=basic.target systemd-journald.service
[Service]
Type=oneshot
TimeoutStartSec=280
ExecStart=/bin/sh $source/tests/systemd/checks.sh $source $build
StandardOutput=file:/mnt/log
StandardError=inherit
ExecStopPost=/bin/systemctl --no-block exit 0
END
    cd "$root"
    mkdir -p srv
    pivot_root . srv
    umount -l /srv
    exec env -i container=other PATH="$PATH" /lib/systemd/systemd --unit=checks.target --show-status=no --log-target=journal
fi

source=$1 build=$2
allowed() {
    [ "$(id -u)" = 0 ] && [ -x /lib/systemd/systemd ] && grep -q overlay /proc/filesystems && [ -n "$groups" ] &&
        mkdir "$group" 2>/dev/null && unshare -m -p -f -C -u -i -n true
}
groups=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
group=$groups/smmuman-test.$$
allowed || {
    echo "systemd: this machine does not allow a systemd of its own"
    exit 77
}
place=$(mktemp -d)
mkdir "$place/root" "$place/store" "$place/out"
# systemd made groups below it, which are empty now.
clean_up() {
    find "$group" -depth -type d -exec rmdir {} + 2>/dev/null || true
    rm -rf "$place"
}
trap clean_up EXIT
SMMU_INSIDE=1 timeout -s KILL 300 sh -c "echo \$\$ >$group/cgroup.procs && exec unshare -m -p -f -C -u -i -n --kill-child \"\$@\"" \
    sh sh "$0" "$place" "$source" "$build" >"$place/out/boot" 2>&1 || true
cat "$place/out/boot" "$place/out/log" 2>/dev/null
grep -qx 'all checks passed' "$place/out/log"
