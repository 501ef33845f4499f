#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The header matrix: every source here, in every language standard the headers promise, with each
# compiler that is installed, without a warning. matrix.sh INCLUDE_FOLDER
# (c++2b: older compilers do not know c++23 by that name.)
set -eu
include=$1
here=$(dirname "$0")
warnings="-Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Wundef -Werror"
compiled=0

# check COMPILER LANGUAGE STANDARD FLAGS... SOURCE
check() {
    compiler=$1 language=$2 standard=$3
    shift 3
    # shellcheck disable=SC2086
    "$compiler" -x "$language" -std="$standard" $warnings -I"$include" -fsyntax-only "$@" || {
        echo "failed: $compiler -x $language -std=$standard $*" >&2
        exit 1
    }
    compiled=$((compiled + 1))
}

for compiler in gcc clang-19 clang; do
    command -v "$compiler" >/dev/null || continue
    for standard in gnu99 c99 c11 gnu11 c17 gnu17; do
        for source in qnx_driver extension; do
            check "$compiler" c "$standard" -Wstrict-prototypes -Wmissing-prototypes \
                "$here/$source.c"
        done
        check "$compiler" c "$standard" -DTYPES_AS_MACROS "$here/own_types.c"
        check "$compiler" c "$standard" "$here/own_types.c"
    done
done
for compiler in g++ clang++-19 clang++; do
    command -v "$compiler" >/dev/null || continue
    for standard in c++11 gnu++11 c++14 c++17 c++20 gnu++20 c++2b; do
        for source in qnx_driver.c extension.c inside_extern_c.cpp own_types.c; do
            check "$compiler" c++ "$standard" "$here/$source"
        done
        check "$compiler" c++ "$standard" -DTYPES_AS_MACROS "$here/own_types.c"
        # The headers alone also where programs forbid casts and 0 as a pointer.
        check "$compiler" c++ "$standard" -Wold-style-cast -Wzero-as-null-pointer-constant \
            "$here/inside_extern_c.cpp"
    done
done
[ "$compiled" -gt 0 ]
echo "$compiled compilations"
