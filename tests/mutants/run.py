#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Plants the bugs of mutants.toml one after the other and shows that the named test catches each.

usage: run.py SOURCE_DIR BUILD_DIR [NAME...]

A mutant is one replaced line (or few). It is built in a copy of the sources, and the test it names must fail, and fail
by a test's own judgement (a program that does not build, or a test that times out, proves nothing). The unchanged copy
must pass first.
"""
import pathlib
import shutil
import subprocess
import sys
import tomllib

BUILD_SECONDS = 600
TEST_SECONDS = 180


def run(command, seconds):
    try:
        return subprocess.run(command, timeout=seconds, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    except subprocess.TimeoutExpired as late:
        output = late.stdout or b""
        return subprocess.CompletedProcess(command, None, output if isinstance(output, str) else output.decode(errors="replace"))


def copy_sources(source, copy):
    """Copies only what changed since the last time, so that an incremental build stays one."""
    for name in ("CMakeLists.txt", "CMakePresets.json", "cmake", "src", "include", "tests", "examples", "boards", "benchmarks", "packaging"):
        origin = source / name
        files = [origin] if origin.is_file() else [f for f in origin.rglob("*") if f.is_file()] if origin.is_dir() else []
        for file in files:
            target = copy / file.relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            if not target.exists() or target.read_bytes() != file.read_bytes():
                shutil.copyfile(file, target)
                shutil.copymode(file, target)


def build(build_dir, targets):
    done = run(["ninja", "-C", str(build_dir), *targets], BUILD_SECONDS)
    return done.returncode == 0, done.stdout


def judge(build_dir, mutant):
    program = build_dir / "bin" / mutant["test"]
    command = [str(program)] + (["--gtest_filter=" + mutant["filter"]] if "filter" in mutant else [])
    return run(command, TEST_SECONDS)


def main():
    source, build_root = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
    wanted = set(sys.argv[3:])
    mutants = tomllib.loads((source / "tests/mutants/mutants.toml").read_text())["mutant"]
    mutants = [m for m in mutants if not wanted or m["name"] in wanted]
    copy, build_dir = build_root / "sources", build_root / "build"
    copy_sources(source, copy)
    configured = run(["cmake", "-G", "Ninja", "-S", str(copy), "-B", str(build_dir), "-DCMAKE_BUILD_TYPE=Debug",
                      "-DCMAKE_CXX_FLAGS_DEBUG=-O1"], BUILD_SECONDS)
    if configured.returncode != 0:
        sys.exit(configured.stdout)

    tests = sorted({m["test"] for m in mutants})
    fine, output = build(build_dir, tests)
    if not fine:
        sys.exit(output[-4000:])
    passed = failed = 0
    for mutant in {m["test"] + m.get("filter", ""): m for m in mutants}.values():
        clean = judge(build_dir, mutant)
        if clean.returncode != 0:
            sys.exit(f"{mutant['test']} fails without any planted bug:\n{clean.stdout[-4000:]}")

    for mutant in mutants:
        file = copy / mutant["file"]
        text = file.read_text()
        if text.count(mutant["old"]) != 1:
            print(f"FAILED {mutant['name']}: its line is {text.count(mutant['old'])} times in {mutant['file']}; it must be there once")
            failed += 1
            continue
        file.write_text(text.replace(mutant["old"], mutant["new"]))
        fine, output = build(build_dir, [mutant["test"]])
        if not fine:
            verdict = "does not build:\n" + output[-1500:]
        else:
            done = judge(build_dir, mutant)
            by_test = done.returncode not in (0, None) and ("FAILED" in done.stdout or "does not hold" in done.stdout)
            verdict = "" if by_test else ("was not caught" if done.returncode == 0 else "ended without a verdict")
        file.write_text(text)
        if verdict:
            failed += 1
            print(f"FAILED {mutant['name']}: {verdict}", flush=True)
        else:
            passed += 1
            print(f"caught {mutant['name']} by {mutant['test']}", flush=True)
    build(build_dir, tests)
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


main()
