#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# packages.sh SOURCE: builds the Debian packages and holds them against what `cmake --install` installs; lintian finds no
# error; installed into a root of their own they start and enable nothing that programs a unit, and removal says what stays.
# They are made of the build by clang, which the tests need anyway. Guests install them, and upgrade to the same as a later
# version in build/packages-clang/next.
set -eu
source=$1
cd "$source"
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT

fail() {
    echo "packages: $*" >&2
    exit 1
}

./package clang >"$place/log" 2>&1 || {
    cat "$place/log" >&2
    fail "./package failed"
}
packages=build/packages-clang

# The same files, but for what Debian adds to each package and for compressed manual pages.
DESTDIR=$place/tree cmake --install build/clang >"$place/log" 2>&1 || fail "cmake --install failed"
(cd "$place/tree" && find . ! -type d) | LC_ALL=C sort >"$place/installed"
for package in "$packages"/*.deb; do
    name=$(basename "$package" | cut -d_ -f1)
    dpkg-deb --fsys-tarfile "$package" | tar -t |
        grep -v -e '/$' -e "^./usr/share/doc/$name/changelog.gz$" -e "^./usr/share/doc/$name/copyright$" \
            -e "^./usr/share/lintian/"
done | sed 's|^\(./usr/share/man/.*\)\.gz$|\1|' | LC_ALL=C sort >"$place/packed"
diff "$place/installed" "$place/packed" || fail "packages (>) have not the files of the installation (<)"

version=$(sed -n 's/^project(smmuman VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)
for package in "$packages"/*.deb; do
    [ "$(dpkg-deb -f "$package" Version)" = "$version" ] || fail "$package is not of version $version"
done

lintian --fail-on error "$packages"/*.deb || fail "lintian finds errors"

# In a root without a system: scripts run here, and are told where the root is.
root=$place/root
mkdir -p "$root/var/lib/dpkg/info" "$root/var/lib/dpkg/updates" "$root/etc" "$root/usr/lib"
: >"$root/var/lib/dpkg/status"
cp /etc/passwd /etc/group "$root/etc/"
in_root() {
    dpkg --root="$root" --log="$place/dpkg.log" --force-script-chrootless --force-depends --force-not-root "$@" 2>&1
}
in_root -i "$packages"/*.deb >"$place/log" || {
    cat "$place/log" >&2
    fail "the packages cannot be installed"
}
grep -q 'smmuman --check platform linux' "$place/log" || fail "the installation does not say what to do"
[ -z "$(find "$root/etc/systemd" -path '*.target.wants/*' -name 'smmuman*')" ] || fail "the service is enabled"
[ -L "$root/etc/systemd/system/smmuman.service.wants/smmuman-log.service" ] || fail "the log is not enabled"
for user in smmuman smmuman-log; do grep -q "^$user:" "$root/etc/passwd" || fail "there is no user $user"; done
grep -q '^smmu:' "$root/etc/group" || fail "there is no group smmu"
# What a script only says, in its numbered advice, it does not do.
for script in "$root"/var/lib/dpkg/info/*.p* ; do
    if grep -E '^[^0-9]*(deb-systemd-invoke|deb-systemd-helper|systemctl) .*(start|stop|enable|mask).*smmuman-holder' "$script"; then
        fail "$script touches the holder"
    fi
done
for script in preinst postinst; do
    script=$root/var/lib/dpkg/info/smmuman.$script
    if [ -e "$script" ] && grep -E '(start|stop) .*smmuman\.service|stop .*smmuman-log' "$script"; then
        fail "installing or upgrading starts the service, or stops something"
    fi
done
in_root -i "$packages"/smmuman_*.deb >"$place/log" || fail "the package cannot be installed again"
in_root -r smmuman >"$place/log" || fail "the package cannot be removed"
grep -q 'go on refusing' "$place/log" || fail "the removal does not say what stays"

mkdir "$packages/next"
for name in smmuman smmuctl libsmmu0; do
    rm -rf "$place/package"
    dpkg-deb -R "$packages/$name"_*.deb "$place/package"
    sed -i -e 's/^Version: .*/&+next/' -e 's/(= \([^)]*\))/(= \1+next)/' "$place/package/DEBIAN/control"
    dpkg-deb --root-owner-group -Zgzip -b "$place/package" "$packages/next"
done
echo "$(wc -l <"$place/packed") files in $(find "$packages" -maxdepth 1 -name '*.deb' | wc -l) packages"
