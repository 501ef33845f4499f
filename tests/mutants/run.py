#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Plants the bugs of mutants.toml one after the other and shows that the named test catches each.

usage: run.py SOURCE_DIR BUILD_DIR [NAME...]

A mutant is one replaced line (or few). It is built in a copy of the sources, and the test it names must fail, and fail
by a test's own judgement (a program that does not build, or a test that times out, proves nothing). The unchanged copy
must pass first.
"""
import concurrent.futures
import os
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


class Snapshot:
    """The build as it is now. What a planted bug changed in it is put back as it was, times included, and not built again."""

    def __init__(self, build_dir, place):
        self.build_dir, self.place = build_dir, place
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(build_dir, place, symlinks=True)

    def restore(self):
        for kept in self.place.rglob("*"):
            if kept.is_dir() or kept.is_symlink():
                continue
            now, was = self.build_dir / kept.relative_to(self.place), kept.stat()
            if not now.exists() or (now.stat().st_mtime_ns, now.stat().st_size) != (was.st_mtime_ns, was.st_size):
                shutil.copy2(kept, now)


def judge(program, mutant):
    command = [str(program)] + (["--gtest_filter=" + mutant["filter"]] if "filter" in mutant else [])
    return run(command, TEST_SECONDS)


def verdict_of(program, mutant):
    """What is wrong, or nothing. The program is the mutant's own copy, which goes."""
    done = judge(program, mutant)
    program.unlink()
    if done.returncode not in (0, None) and ("FAILED" in done.stdout or "does not hold" in done.stdout):
        return ""
    return "was not caught" if done.returncode == 0 else "ended without a verdict"


def plant(copy, clean, mutant):
    """Builds the mutant's program aside and restores source and build: the program, and what is wrong otherwise."""
    file, build_dir = copy / mutant["file"], clean.build_dir
    text, was = file.read_text(), file.stat()
    if text.count(mutant["old"]) != 1:
        return None, f"its line is {text.count(mutant['old'])} times in {mutant['file']}; it must be there once"
    file.write_text(text.replace(mutant["old"], mutant["new"]))
    fine, output = build(build_dir, [mutant["test"]])
    program = pathlib.Path(shutil.copy(build_dir / "bin" / mutant["test"], build_dir / "bin" / mutant["name"])) if fine else None
    clean.restore()
    file.write_text(text)
    os.utime(file, ns=(was.st_atime_ns, was.st_mtime_ns))
    return program, "" if fine else "does not build:\n" + output[-1500:]


def main():
    source, build_root = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
    wanted = set(sys.argv[3:])
    mutants = tomllib.loads((source / "tests/mutants/mutants.toml").read_text())["mutant"]
    if unknown := wanted - {m["name"] for m in mutants}:
        sys.exit(f"not in mutants.toml: {', '.join(sorted(unknown))}")
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
    for mutant in {m["test"] + m.get("filter", ""): m for m in mutants}.values():
        unchanged = judge(build_dir / "bin" / mutant["test"], mutant)
        if unchanged.returncode != 0:
            sys.exit(f"{mutant['test']} fails without any planted bug:\n{unchanged.stdout[-4000:]}")

    clean = Snapshot(build_dir, build_root / "clean")
    # While the test of one mutant runs, the next is built.
    with concurrent.futures.ThreadPoolExecutor(max_workers=1) as tester:
        failed = []

        def tell(mutant, wrong):
            if wrong:
                failed.append(mutant)
            print(f"FAILED {mutant['name']}: {wrong}" if wrong else f"caught {mutant['name']} by {mutant['test']}", flush=True)

        told = []
        for mutant in mutants:
            program, wrong = plant(copy, clean, mutant)
            told.append(tester.submit(lambda m=mutant, p=program, w=wrong: tell(m, verdict_of(p, m) if p else w)))
        for one in told:
            one.result()
    print(f"{len(mutants) - len(failed)} passed, {len(failed)} failed")
    sys.exit(1 if failed else 0)


main()
