#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Sums up what the test runs left in a folder, and prints the one line that says it.

RUN.junit.xml   ctest's own report, one case a program
RUN/*.xml       what GoogleTest programs wrote: their cases are counted instead of the program
NAME.verdict    "passed", "failed" or "skipped": anything else that was tried
"""
import pathlib
import sys
import xml.etree.ElementTree as xml


class Count:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.failures = []

    def add(self, name, outcome):
        if outcome == "passed":
            self.passed += 1
        elif outcome == "skipped":
            self.skipped += 1
        else:
            self.failed += 1
            self.failures.append(name)


def case_outcome(case):
    """Of one <testcase>, by ctest or GoogleTest."""
    if case.find("failure") is not None or case.find("error") is not None or case.get("status") == "fail":
        return "failed"
    if case.find("skipped") is not None or case.get("result") in ("skipped", "suppressed"):
        return "skipped"
    if case.get("status") in ("disabled", "notrun"):
        return "skipped"
    return "passed"


def count_run(junit, count):
    folder = junit.with_name(junit.name.removesuffix(".junit.xml"))
    for program in xml.parse(junit).getroot().iter("testcase"):
        name = program.get("name")
        outcome = case_outcome(program)
        try:
            cases = list(xml.parse(folder / f"{name}.xml").getroot().iter("testcase"))
        except (OSError, xml.ParseError):
            cases = []
        failed_before = count.failed
        for case in cases:
            count.add(f"{junit.stem}: {case.get('classname')}.{case.get('name')}", case_outcome(case))
        if not cases or (outcome == "failed" and count.failed == failed_before):
            count.add(f"{folder.name}: {name}", outcome)


def main():
    folder = pathlib.Path(sys.argv[1])
    count = Count()
    for junit in sorted(folder.glob("*.junit.xml")):
        try:
            count_run(junit, count)
        except xml.ParseError:
            count.add(f"{junit.name} cannot be read", "failed")
    for verdict in sorted(folder.glob("*.verdict")):
        count.add(verdict.stem, verdict.read_text().strip())
    if count.passed + count.failed == 0:
        count.add("no test ran at all", "failed")
    for failure in count.failures:
        print(f"failed: {failure}")
    line = f"{count.passed} passed, {count.failed} failed"
    if count.skipped:
        line += f", {count.skipped} skipped"
    print(line, flush=True)
    return 1 if count.failed else 0


if __name__ == "__main__":
    sys.exit(main())
