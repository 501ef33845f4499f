#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# C programs link with the static library alone, without the C++ run-time library, and run; also
# with the shared one. link.sh STATIC_LIBRARY SHARED_LIBRARY INCLUDE_FOLDER [FLAGS...]
set -eu
archive=$1 library=$2 include=$3
shift 3
here=$(dirname "$0")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
SMMUMAN_SOCKET=$folder/absent.sock
export SMMUMAN_SOCKET

for source in qnx_driver extension; do
    ${CC:-cc} "$@" -I"$include" "$here/$source.c" "$archive" -o "$folder/static"
    "$folder/static"
    ${CC:-cc} "$@" -I"$include" "$here/$source.c" "$library" \
        -Wl,-rpath,"$(dirname "$library")" -o "$folder/shared"
    "$folder/shared"
    # A program without any shared library; sanitizers do not offer that.
    if [ $# -eq 0 ]; then
        ${CC:-cc} -static -I"$include" "$here/$source.c" "$archive" -o "$folder/alone"
        "$folder/alone"
    fi
done
