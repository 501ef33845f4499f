#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The closing line of ./test tells the truth: it is shown results of every sort and must count them right."""
import pathlib
import subprocess
import sys
import tempfile

import lint

PROGRAM = "<testsuite><testcase name='unit_x' status='%s'>%s</testcase></testsuite>"
CASES = "<testsuites><testsuite>%s</testsuite></testsuites>"
GOOD, SKIPPED = "<testcase name='a'/>", "<testcase name='b' result='skipped'><skipped/></testcase>"
BAD = "<testcase name='c'><failure/></testcase>"
# What a run left behind, the line that must come out, and the exit status.
RUNS = [
    ({"r.junit.xml": PROGRAM % ("run", ""), "r/unit_x.xml": CASES % (GOOD + GOOD + SKIPPED)}, "2 passed, 0 failed, 1 skipped", 0),
    ({"r.junit.xml": PROGRAM % ("fail", "<failure/>"), "r/unit_x.xml": CASES % (GOOD + BAD)}, "1 passed, 1 failed", 1),
    # Every case was fine, and then the program died.
    ({"r.junit.xml": PROGRAM % ("fail", "<failure/>"), "r/unit_x.xml": CASES % GOOD}, "1 passed, 1 failed", 1),
    ({"r.junit.xml": PROGRAM % ("fail", "<failure/>")}, "0 passed, 1 failed", 1),
    ({"r.junit.xml": PROGRAM % ("notrun", "<skipped/>"), "m.verdict": "passed"}, "1 passed, 0 failed, 1 skipped", 0),
    ({"build-dev.verdict": "failed"}, "0 passed, 1 failed", 1),
    ({"r.junit.xml": "not whole"}, "0 passed, 1 failed", 1),
    ({}, "0 passed, 1 failed", 1),
]


def findings(root):
    found = []
    for texts, line, status in RUNS:
        with tempfile.TemporaryDirectory() as folder:
            for name, text in texts.items():
                path = pathlib.Path(folder) / name
                path.parent.mkdir(exist_ok=True)
                path.write_text(text)
            done = subprocess.run([sys.executable, str(root / "scripts/count_results.py"), folder], capture_output=True,
                                  text=True, timeout=30)
            last = (done.stdout.splitlines() or [""])[-1]
            if (last, done.returncode) != (line, status):
                found.append(f"{texts}: {last!r} with status {done.returncode}, not {line!r} with {status}")
    return found


ORIGINAL = (pathlib.Path(__file__).resolve().parents[2] / "scripts/count_results.py").read_text()
CLEAN = {"scripts/count_results.py": ORIGINAL}
FAULTS = [
    ("skipped counted as passed", {"scripts/count_results.py": ORIGINAL.replace('return "skipped"', 'return "passed"')}),
    ("a crash that does not count", {"scripts/count_results.py": ORIGINAL.replace('outcome == "failed" and', "False and")}),
    ("nothing at all taken for success", {"scripts/count_results.py": ORIGINAL.replace("count.passed + count.failed == 0", "False")}),
]

if __name__ == "__main__":
    lint.main(findings, CLEAN, FAULTS)
