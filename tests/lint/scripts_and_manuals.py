#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Shell scripts pass shellcheck, manual pages mandoc's own lint, Python files compile."""
import ast

import lint

SCRIPTS = ["demo", "test", "bench", "package", ".ci/run", "debian/smmuman.postinst", "debian/smmuman.prerm"]


def is_shell(path):
    with path.open(errors="replace") as file:
        return file.readline().strip() == "#!/bin/sh"


def findings(root):
    found = []
    scripts = [root / name for name in SCRIPTS if (root / name).is_file()]
    scripts += [path for path in lint.files(root, {"", ".sh"}, ["scripts", "packaging", "tests"])
                if path.suffix == ".sh" or is_shell(path)]
    for script in scripts:
        said = lint.run(["shellcheck", "--shell=sh", "--external-sources", "--source-path", str(root), "--exclude=SC1091",
                         str(script)])
        if said:
            found.append(said)
    for page in lint.files(root, {".1", ".3", ".5", ".7", ".8"}, ["man"]):
        said = lint.run(["mandoc", "-T", "lint", "-W", "warning", str(page)])
        if said:
            found.append(said)
    for path in lint.files(root, {".py"}, ["scripts", "tests"]):
        try:
            ast.parse(path.read_text(), str(path))
        except SyntaxError as wrong:
            found.append(f"{path}: {wrong}")
    return found


PAGE = ".Dd November 20, 2026\n.Dt X 1\n.Os\n.Sh NAME\n.Nm x\n.Nd a program\n"
CLEAN = {"demo": "#!/bin/sh\necho hello\n", "man/x.1": PAGE, "tests/x.py": "x = 1\n"}
FAULTS = [
    ("a variable without quotes", {"demo": "#!/bin/sh\nrm $1/x\n"}),
    ("a bashism", {"scripts/setup": "#!/bin/sh\n[[ a == b ]]\n"}),
    ("a macro that does not exist", {"man/x.1": PAGE + ".Zz word\n"}),
    ("Python that does not parse", {"tests/x.py": "def f(:\n"}),
]

if __name__ == "__main__":
    lint.main(findings, CLEAN, FAULTS)
