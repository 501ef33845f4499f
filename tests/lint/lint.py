# SPDX-License-Identifier: Apache-2.0
"""What every lint here shares: it looks at a tree and gives findings; with --self-test it is shown trees of
a few files, of which one is clean and each other has one fault that it must find."""
import pathlib
import subprocess
import sys
import tempfile


def files(root, suffixes, folders):
    """The tree's own files, sorted, of these suffixes in these folders."""
    found = []
    for folder in folders:
        found += [p for p in (root / folder).rglob("*") if p.is_file() and p.suffix in suffixes]
    return sorted(found)


def _plant(root, texts):
    for name, text in texts.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def _self_test(findings, clean, faults):
    wrong = []
    with tempfile.TemporaryDirectory() as place:
        root = pathlib.Path(place) / "clean"
        _plant(root, clean)
        wrong += [f"finds fault with a clean tree: {found}" for found in findings(root)]
        for number, (what, changes) in enumerate(faults):
            root = pathlib.Path(place) / f"fault{number}"
            _plant(root, {**clean, **changes})
            if not findings(root):
                wrong.append(f"does not find: {what}")
    return wrong


def main(findings, clean, faults):
    if sys.argv[1:] == ["--self-test"]:
        found = _self_test(findings, clean, faults)
    else:
        found = findings(pathlib.Path(__file__).resolve().parents[2])
    for line in found:
        print(line)
    sys.exit(1 if found else 0)


def run(words):
    """What a tool says; empty when it is content."""
    done = subprocess.run(words, capture_output=True, text=True, timeout=120)
    return "" if done.returncode == 0 else (done.stdout + done.stderr).strip() or f"{words[0]}: {done.returncode}"
