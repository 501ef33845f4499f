#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Rules for the text of sources: licence line, length of files, words and constructs that this house does not use,
a README in every room. Long functions are only listed."""
import re
import sys

import lint

MAX_FILE_LINES = 450
LONG_FUNCTION_LINES = 70
CODE = {".cpp", ".hpp", ".c", ".h"}
OTHER = {".py", ".sh", ".cmake", ".awk", ".txt", ".toml", ".json", ".md", ".1", ".3", ".5", ".8", ""}
FOLDERS = ["src", "include", "examples", "tests", "benchmarks", "cmake", "scripts", "docs", "man", "boards"]
# Folders of foreign data, which is as it was found.
DATA = ("tests/data/", "/corpus/")

# In code, outside comments and strings: pattern, what to do, and the files that may (a prefix each).
CONSTRUCTS = [
    (r"\bthrow\b", "no exceptions: Result", ("tests/",)),
    (r"\bdynamic_cast\b|\btypeid\b", "no run-time type information", ()),
    (r"\breinterpret_cast\b", "foreign bytes are copied, see ByteReader", (
        "src/hw/", "src/memory/", "src/platform/", "src/protocol/", "src/link/", "src/board/", "src/daemon/", "src/client/",
        "src/paging/", "tests/", "benchmarks/")),
    (r"\bstd::(format|print|println)\b", "fmt", ()),
    (r"\bgoto\b", "a function", ()),
    (r"\busing namespace std;", "names with std::", ()),
]
# Anywhere, comments included.
WORDS = [
    (r"\b(TODO|FIXME|XXX|HACK)\b", "finish it, or say in the manual that it is not supported"),
    (r"/(work|home|root)/[a-z]", "an absolute path of one machine"),
    (r"\b(deb|ftp|security|snapshot|archive)\.(debian|ubuntu)\.(org|com)\b", "the name of a host"),
    (r"\b(github|gitlab)\.com\b", "the name of a host"),
]


def without_comments_and_strings(text):
    """The same lines with what is no code blanked."""
    pattern = r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\''
    return re.sub(pattern, lambda match: re.sub(r"[^\n]", " ", match[0]), text, flags=re.DOTALL)


def long_functions(name, lines):
    """Bodies that begin with a line ending in ') {' or ') const {' at the outermost level of a namespace."""
    begin = None
    for number, line in enumerate(lines, 1):
        if re.match(r"[A-Za-z].*\)( const)?( noexcept)?( override)? \{$", line):
            begin = number
        elif line.rstrip() == "}" and begin is not None:
            if number - begin > LONG_FUNCTION_LINES:
                yield f"warning: {name}:{begin}: a function of {number - begin} lines"
            begin = None


def findings(root):
    found = []
    for path in lint.files(root, CODE | OTHER, FOLDERS):
        name = path.relative_to(root).as_posix()
        if any(part in name for part in DATA) or "__pycache__" in name:
            continue
        text = path.read_text(errors="replace")
        lines = text.splitlines()
        if path.suffix in CODE | {".py", ".sh", ".cmake", ".awk"} or (lines and lines[0].startswith("#!")):
            if not any("SPDX-License-Identifier: Apache-2.0" in line for line in lines[:2]):
                found.append(f"{name}:1: the first lines do not name the licence (SPDX-License-Identifier)")
        if name != "tests/lint/source_rules.py":
            for number, line in enumerate(lines, 1):
                found += [f"{name}:{number}: {line.strip()[:60]!r}: {advice}" for pattern, advice in WORDS
                          if re.search(pattern, line)]
        if path.suffix not in CODE:
            continue
        if len(lines) > MAX_FILE_LINES:
            found.append(f"{name}: {len(lines)} lines, more than {MAX_FILE_LINES}")
        for number, line in enumerate(without_comments_and_strings(text).splitlines(), 1):
            for pattern, advice, allowed in CONSTRUCTS:
                if re.search(pattern, line) and not name.startswith(allowed or ("\0",)):
                    found.append(f"{name}:{number}: {line.strip()[:60]!r}: {advice}")
        for warning in long_functions(name, lines):
            print(warning, file=sys.stderr)
    for folder in sorted({path.parent for path in lint.files(root, {".cpp", ".hpp"}, ["src"])}):
        if not (folder / "README.md").is_file():
            found.append(f"{folder.relative_to(root).as_posix()}: a room without a README.md")
    return found


LICENCE = "// SPDX-License-Identifier: Apache-2.0\n"
CLEAN = {
    "src/base/range.hpp": LICENCE + '// It may not throw.\nconstexpr const char* text = "throw";\n',
    "src/base/README.md": "# base\n",
    "src/hw/mmio.cpp": LICENCE + "auto p = reinterpret_cast<int*>(q);\n",
    "src/hw/README.md": "# hw\n",
    "tests/data/found.c": "throw away\n",
}
FAULTS = [
    ("no licence", {"src/base/range.hpp": "constexpr int x = 1;\n"}),
    ("a script without a licence", {"scripts/setup": "#!/bin/sh\nset -eu\n"}),
    ("a file that is too long", {"src/base/range.hpp": LICENCE + "\n" * 450}),
    ("an exception", {"src/base/range.hpp": LICENCE + "void f() { throw 1; }\n"}),
    ("run-time type information", {"src/base/range.hpp": LICENCE + "auto p = dynamic_cast<int*>(q);\n"}),
    ("a cast outside the rooms that may", {"src/base/range.hpp": LICENCE + "auto p = reinterpret_cast<int*>(q);\n"}),
    ("std::format", {"src/base/range.hpp": LICENCE + 'auto s = std::format("x");\n'}),
    ("unfinished work", {"src/base/range.hpp": LICENCE + "// TO" "DO: more\n"}),
    ("a path of one machine", {"docs/x.md": "see /ho" "me/somebody/file\n"}),
    ("a host", {"scripts/setup": "#!/bin/sh\n# SPDX-License-Identifier: Apache-2.0\nwget http://deb.debi" "an.org/\n"}),
    ("a room without a README", {"src/pci/tree.hpp": LICENCE}),
]

if __name__ == "__main__":
    lint.main(findings, CLEAN, FAULTS)
