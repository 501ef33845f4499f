# SPDX-License-Identifier: Apache-2.0
# What stories that guests run have in common; it comes before each of them. Whatever is printed as "ok" was seen; the first thing
# that does not hold ends the story.
number=0

title() {
    number=$((number + 1))
    printf '\n%s. %s\n' $number "$1"
}
# claim TEXT COMMAND...: the command succeeds.
claim() {
    text=$1
    shift
    if "$@" >/tmp/said 2>&1; then
        echo "  ok   $text"
    else
        sed 's/^/       /' /tmp/said
        echo "demo: FAILED: this does not hold: $text"
        exit 1
    fi
}
show() { sed 's/^/       /' "$1"; }
has() { grep -q "$@"; }
soon() {
    i=0
    until "$@" >/tmp/said 2>&1; do
        i=$((i + 1))
        [ $i -lt 600 ] || return 1
        sleep 0.1
    done
}
