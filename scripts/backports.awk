# SPDX-License-Identifier: Apache-2.0
# Turns one entry of an apt source (-v entry=N: the Nth stanza of a .sources file, or line N of a .list
# file) into the same entry for another suite (-v suite=NAME): same address, same key, same options.

function is_deb822() { return FILENAME ~ /\.sources$/ }

# One-line format: deb [options] address suite components
!is_deb822() {
    if (FNR != entry) next
    sub(/#.*/, "")
    options = ""
    if (match($0, /\[[^]]*\]/)) {
        options = substr($0, RSTART, RLENGTH) " "
        $0 = substr($0, 1, RSTART - 1) substr($0, RSTART + RLENGTH)
    }
    if ($1 == "deb" && NF >= 4) print "deb " options $2 " " suite " main"
    next
}

# deb822: stanzas of fields; a line that begins with a blank continues the field before it.
/^#/ { next }
/^[ \t\r]*$/ { inside = 0; next }
{
    if (!inside) { stanza++; inside = 1 }
    if (stanza != entry) next
    if ($0 !~ /^[ \t]/) {
        field = tolower($1)
        if (field == "types:") print "Types: deb"
        else if (field ~ /^suites:/) print "Suites: " suite
        else if (field ~ /^components:/) print "Components: main"
    }
    if (field ~ /^(types|suites|components|enabled|x-repolib-name):/) next
    print
}
