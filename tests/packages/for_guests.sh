#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# for_guests.sh SOURCE: what guests install: packages of the build by clang, which the tests need anyway, in build/packages-clang,
# and the same as a later version in build/packages-clang/next.
set -eu
cd "$1"
./package clang
packages=build/packages-clang
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
mkdir "$packages/next"
for name in smmuman smmuctl libsmmu0; do
    rm -rf "$place/package"
    dpkg-deb -R "$packages/$name"_*.deb "$place/package"
    sed -i -e 's/^Version: .*/&+next/' -e 's/(= \([^)]*\))/(= \1+next)/' "$place/package/DEBIAN/control"
    dpkg-deb --root-owner-group -Zgzip -b "$place/package" "$packages/next"
done
