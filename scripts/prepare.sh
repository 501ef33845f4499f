# SPDX-License-Identifier: Apache-2.0
# Sourced by ./demo, ./test and ./bench from the root of the tree: gets the machine ready, and builds.

say() { printf '%s\n' "$*"; }

# prepare PURPOSE COMMAND [WORDS]: what PURPOSE needs is installed, by root and only then; COMMAND goes on as
# the user who called it.
prepare() {
    purpose=$1
    shift
    status=0
    missing=$(scripts/setup check "$purpose") || status=$?
    if [ "$status" = 2 ]; then
        say "Only Debian 12 can be set up by itself. Please install what is missing here:"
        say "$missing"
        exit 1
    elif [ "$status" != 0 ]; then
        if [ "$(id -u)" = 0 ]; then
            scripts/setup install "$purpose" || exit 1
        elif command -v sudo >/dev/null 2>&1 && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
            say "Some packages are missing; sudo is used to install them and for nothing else."
            sudo scripts/setup install "$purpose" || exit 1
        else
            say "Missing:" "$missing" | tr '\n' ' '
            say ""
            say "Run this once as root, then $1 again:"
            say "    $PWD/scripts/setup install $purpose"
            exit 1
        fi
    fi
    # Called through sudo as a whole: the rest is the caller's, files included.
    if [ "$(id -u)" = 0 ] && [ "${SUDO_UID:-0}" != 0 ] && command -v setpriv >/dev/null 2>&1; then
        as_caller="setpriv --reuid=$SUDO_UID --regid=$SUDO_GID --init-groups --"
        if $as_caller test -w . && { [ ! -e build ] || $as_caller test -w build; }; then
            HOME=$(getent passwd "$SUDO_UID" | cut -d: -f6)
            export HOME
            unset SUDO_UID SUDO_GID SUDO_USER SUDO_COMMAND
            exec $as_caller "$@"
        fi
    fi
}

# build PRESET FOLDER "CMAKE OPTIONS" [TARGETS]: prints how far it is when it takes long.
build() (
    preset=$1 folder=$2 options=$3
    shift 3
    mkdir -p "$folder"
    # shellcheck disable=SC2086 # a list of words
    if ! cmake --preset "$preset" -B "$folder" $options >"$folder/configure.log" 2>&1; then
        cat "$folder/configure.log" >&2
        return 1
    fi
    printf '1' >"$folder/build.status"
    {
        rc=0
        NINJA_STATUS='[%f/%t] ' ninja -C "$folder" "$@" 2>&1 || rc=$?
        printf '%s' "$rc" >"$folder/build.status"
    } | tee "$folder/build.log" | awk -v name="$folder" '
        match($0, /^\[[0-9]+\/[0-9]+\]/) {
            split(substr($0, 2, RLENGTH - 2), part, "/")
            step = int(part[1] * 10 / part[2])
            if (part[2] > 20 && step != last) { printf "  %s: %s of %s built\n", name, part[1], part[2]; fflush() }
            last = step
        }'
    [ "$(cat "$folder/build.status")" = 0 ] && return 0
    grep -v '^\[' "$folder/build.log" | head -n 60 >&2
    return 1
)
