#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The backports source that scripts/setup writes is the machine's own Debian entry for another suite."""
import pathlib
import subprocess
import tempfile

import lint

KEY = "Signed-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abc\n"
# What lies there, its file name, which entry, and what must come out.
CASES = [
    ("deb http://a.example/debian bookworm main contrib # ours\n", "sources.list", 1,
     "deb http://a.example/debian other main\n"),
    ("# first\ndeb [signed-by=/k.gpg arch=amd64] http://a.example/debian bookworm main\n", "sources.list", 2,
     "deb [signed-by=/k.gpg arch=amd64] http://a.example/debian other main\n"),
    ("deb-src http://a.example/debian bookworm main\n", "sources.list", 1, ""),
    ("Types: deb deb-src\n# a remark\nURIs: http://a.example/debian\nSuites: bookworm bookworm-updates\n"
     "Components: main contrib\nSigned-By: /k.gpg\n", "x.sources", 1,
     "Types: deb\nURIs: http://a.example/debian\nSuites: other\nComponents: main\nSigned-By: /k.gpg\n"),
    ("# a remark of its own\n\nTypes: deb\nURIs: http://b.example/x\nSuites: x\nComponents: y\n\n"
     "Types: deb\nURIs: http://a.example/debian\nSuites: bookworm\n  bookworm-updates\nComponents: main\n" + KEY, "x.sources", 2,
     "Types: deb\nURIs: http://a.example/debian\nSuites: other\nComponents: main\n" + KEY),
]


def findings(root):
    script = root / "scripts/backports.awk"
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for text, name, entry, wanted in CASES:
            with open(f"{folder}/{name}", "w") as file:
                file.write(text)
            got = subprocess.run(["awk", "-v", f"entry={entry}", "-v", "suite=other", "-f", str(script), f"{folder}/{name}"],
                                 capture_output=True, text=True, timeout=20)
            if got.stdout != wanted or got.returncode != 0:
                found.append(f"{text!r} gives {got.stdout!r}{got.stderr}, not {wanted!r}")
    return found


ORIGINAL = (pathlib.Path(__file__).resolve().parents[2] / "scripts/backports.awk").read_text()
CLEAN = {"scripts/backports.awk": ORIGINAL}
FAULTS = [
    ("options that are lost", {"scripts/backports.awk": ORIGINAL.replace("options $2", "$2")}),
    ("a key that is lost", {"scripts/backports.awk": ORIGINAL.replace("enabled|", "enabled|signed-by|")}),
    ("the wrong entry", {"scripts/backports.awk": ORIGINAL.replace("stanza++", "stanza += 2")}),
]

if __name__ == "__main__":
    lint.main(findings, CLEAN, FAULTS)
