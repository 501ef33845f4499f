#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The shared library exports exactly the names of its map, these are exactly the functions that the
# headers declare, and programs need nothing of the C++ run-time library.
# symbols.sh LIBRARY MAP INCLUDE_FOLDER
set -eu
library=$1 map=$2 include=$3
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

nm -D --defined-only "$library" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' |
    sort >"$folder/exported"
sed -n 's/^ *\(smmu_[a-z0-9_]*\);$/\1/p' "$map" | sort >"$folder/listed"
# Declarations begin in the first column and are not inline; the compiler says which there are.
printf '#include <smmu_ext.h>\n' | ${CC:-cc} -I"$include" -E -P - |
    grep -v 'static inline' | grep -o '^[a-z][a-z_ *]*\**smmu_[a-z0-9_]*(' |
    sed 's/.*\(smmu_[a-z0-9_]*\)($/\1/' | sort >"$folder/declared"
[ -s "$folder/exported" ]
diff "$folder/listed" "$folder/exported" || { echo "map (<) and library (>) differ" >&2; exit 1; }
diff "$folder/declared" "$folder/listed" || { echo "headers (<) and map (>) differ" >&2; exit 1; }

if nm -D --undefined-only "$library" | grep -E ' (_Z|__cxa_(throw|begin|pure)|__gxx)'; then
    echo "needs the C++ run-time library" >&2
    exit 1
fi
if readelf -d "$library" | grep -E 'NEEDED.*(libstdc|libfmt|libgcc_s)'; then
    echo "depends on a library that C programs should not need" >&2
    exit 1
fi
readelf -d "$library" | grep -q 'SONAME.*libsmmu\.so\.0' ||
    { echo "soname is not libsmmu.so.0" >&2; exit 1; }
echo "$(wc -l <"$folder/exported") names"
