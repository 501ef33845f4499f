#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# install.sh SOURCE BUILD [FLAG...]: installs the build tree into a temporary DESTDIR, compares what came with the list
# beside this script, and builds a driver against it outside the tree: with pkg-config and with CMake.
# The tree must have been built; a driver needs the FLAGs that the libraries were linked with.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
source=$1
build=$2
shift 2
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT

fail() {
    echo "install: $*" >&2
    exit 1
}

DESTDIR=$place/root cmake --install "$build" >"$place/log" 2>&1 || {
    cat "$place/log" >&2
    fail "cmake --install failed"
}
package=$(find "$place/root" -name smmu.pc)
[ -f "$package" ] || fail "there is no smmu.pc"
root=$place/root$(sed -n 's/^prefix=//p' "$package")
libraries=$(dirname "$(dirname "$package")")

# By name what is listed one by one; what is found by its folder is compared with the sources below.
{
    (cd "$root" && find bin sbin include ! -type d)
    (cd "$libraries" && find . ! -type d | sed 's|^\./|lib/|; /-config-version/!s|-config-[a-z]*\.cmake$|-config-BUILDTYPE.cmake|')
} | LC_ALL=C sort >"$place/found"
diff "$here/expected" "$place/found" || fail "what is installed is not what 'expected' says (<: expected, >: installed)"

for page in "$source"/man/*; do
    section=${page##*.}
    [ -f "$root/share/man/man$section/$(basename "$page")" ] || fail "$page is not installed"
done
for document in "$source"/docs/*.md "$source"/README.md "$source"/SECURITY.md "$source"/examples/*.c; do
    [ -n "$(find "$root/share/doc" -name "$(basename "$document")")" ] || fail "$document is not installed"
done
for board in "$source"/boards/qemu/*.json "$source"/boards/*.smmu; do
    [ -f "$root/share/smmuman/boards/$(basename "$board")" ] || fail "$board is not installed"
done
for name in smmuctl smmuman; do
    for completion in bash-completion/completions/$name zsh/site-functions/_$name fish/vendor_completions.d/$name.fish; do
        [ -f "$root/share/$completion" ] || fail "$completion is not installed"
    done
done
[ -d "$root/etc/smmuman" ] || fail "there is no place for a configuration"
# Units name programs that are installed, as they will be found there.
prefix=$(sed -n 's/^prefix=//p' "$package")
for unit in "$root"/lib/systemd/system/*.service; do
    sed -n 's/^Exec[A-Za-z]*=@\{0,1\}\([^ ]*\).*/\1/p' "$unit" | while read -r program; do
        case $program in "$prefix"/*) ;; *) fail "$unit: $program is not below $prefix" ;; esac
        [ -x "$place/root$program" ] || fail "$unit: there is no $program"
    done
done

# What others read names no folder that exists here only.
if grep -rl -e "$place" -e "$source" "$root/include" "$libraries/cmake" "$libraries/pkgconfig" "$root/lib/systemd"; then
    fail "these name a folder of this machine"
fi

PKG_CONFIG_LIBDIR=$(dirname "$package")
PKG_CONFIG_SYSROOT_DIR=$place/root
export PKG_CONFIG_LIBDIR PKG_CONFIG_SYSROOT_DIR
# shellcheck disable=SC2046 # the words of pkg-config are meant as words
"${CC:-cc}" -std=c11 -Wall -Werror "$@" "$here/driver.c" -o "$place/driver" $(pkg-config --cflags --libs smmu)
LD_LIBRARY_PATH=$libraries SMMUMAN_SOCKET=$place/none "$place/driver" | grep -q "no service:" ||
    fail "the driver built with pkg-config does not run"

mkdir "$place/project"
cp "$here/driver.c" "$here/CMakeLists.txt" "$place/project"
if ! { cmake -S "$place/project" -B "$place/project/build" "-DCMAKE_PREFIX_PATH=$root" "-DCMAKE_C_FLAGS=$*" &&
    cmake --build "$place/project/build"; } >"$place/log" 2>&1; then
    cat "$place/log" >&2
    fail "the driver does not build with find_package(smmu)"
fi
for driver in shared static; do
    SMMUMAN_SOCKET=$place/none "$place/project/build/$driver" | grep -q "no service:" || fail "$driver does not run"
done
