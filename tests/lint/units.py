#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Units for systemd are understood by it, expose little, and say what containment needs; so do the lists of users and
directories, and the journal's catalogue."""
import pathlib
import re
import shutil
import subprocess
import tempfile

import lint

HERE = pathlib.Path(__file__).resolve().parents[2] / "packaging"
MOST_EXPOSURE = 3.0  # of 10, as systemd-analyze security counts
# What must be said, a pattern each: without these lines clients are left open, or tables lost.
WANTED = {
    "smmuman.service.in": [r"Type=notify", r"ExecStart=\S+/smmuman foreground .*", r"ExecStopPost=\S+/smmuman --safe-state .*",
                           r"ExecReload=.*", r"WatchdogSec=.*", r"RestartPreventExitStatus=2 3 4", r"RuntimeDirectoryPreserve=yes"],
    "smmuman-holder.service.in": [r"RefuseManualStop=yes", r"IgnoreOnIsolate=yes", r"DefaultDependencies=no",
                                  r"ExecStart=@\S+ @\S+.*", r"RuntimeDirectoryPreserve=yes"],
    "smmuman-log.service.in": [r"User=smmuman-log", r"CapabilityBoundingSet=", r"WantedBy=smmuman\.service"],
}
CATALOGUE_ENTRIES = 3
# systemd reads these from their places below a root: file, place.
PLACES = {
    "smmuman.catalog": "usr/lib/systemd/catalog/smmuman.catalog",
    "sysusers.conf": "usr/lib/sysusers.d/smmuman.conf",
    "tmpfiles.conf": "usr/lib/tmpfiles.d/smmuman.conf",
}


def said(words):
    """Everything that a tool says, and its status."""
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    return (done.stdout + done.stderr).strip(), done.returncode


def installed(text, folder):
    """A unit as it is installed, its programs in `folder`."""
    text = text.replace("@CMAKE_INSTALL_FULL_SYSCONFDIR@", "/etc")
    for name in re.findall(r"@CMAKE_INSTALL_FULL_[A-Z]+@/([a-z-]+)", text):
        shutil.copy("/bin/true", folder / name)
    return re.sub(r"@CMAKE_INSTALL_FULL_[A-Z]+@", str(folder), text)


def unit_faults(path, folder):
    text = path.read_text()
    found = [f"{path.name}: no line {pattern}" for pattern in WANTED.get(path.name, [])
             if not re.search(f"^{pattern}$", text, flags=re.M)]
    unit = folder / path.name.removesuffix(".in")
    unit.write_text(installed(text, folder))
    complaints, status = said(["systemd-analyze", "verify", "--man=no", str(unit)])
    if complaints or status:
        found.append(f"{path.name}: {complaints or 'systemd-analyze verify is not content'}")
    answer, _ = said(["systemd-analyze", "security", "--offline=true", "--no-pager", str(unit)])
    exposure = re.search(r"Overall exposure level for .*: ([0-9.]+)", answer)
    if not exposure or float(exposure[1]) > MOST_EXPOSURE:
        found.append(f"{path.name}: exposure {exposure[1] if exposure else answer}, more than {MOST_EXPOSURE}")
    elif path.parent == HERE:
        print(f"{path.name}: exposure {exposure[1]}")
    return found


def findings(root):
    found = []
    packaging = root / "packaging"
    units = sorted(packaging.glob("*.service.in"))
    for unexpected in sorted(packaging.glob("*.socket*")):
        found.append(f"{unexpected.name}: a socket that systemd opens is there before anything is contained")
    found += [f"packaging: no {name}" for name in [*WANTED, *PLACES] if not (packaging / name).is_file()]
    with tempfile.TemporaryDirectory() as place:
        folder = pathlib.Path(place)
        for unit in units:
            found += unit_faults(unit, folder)
        for name, where in PLACES.items():
            (folder / where).parent.mkdir(parents=True, exist_ok=True)
            if (packaging / name).is_file():
                shutil.copy(packaging / name, folder / where)
        (folder / "etc").mkdir()
        for words in (["journalctl", f"--root={place}", "--update-catalog"], ["systemd-sysusers", f"--root={place}"],
                      ["systemd-tmpfiles", f"--root={place}", "--create", str(folder / PLACES["tmpfiles.conf"])]):
            complaints, status = said(words)
            if status or re.search(r"\.(conf|catalog):\d+", complaints):
                found.append(f"{words[0]}: {complaints}")
        entries, _ = said(["journalctl", f"--root={place}", "--list-catalog"])
        if len(entries.splitlines()) != CATALOGUE_ENTRIES:
            found.append(f"smmuman.catalog: not {CATALOGUE_ENTRIES} entries: {entries}")
        if not (folder / "run/smmuman").is_dir():
            found.append("tmpfiles.conf: /run/smmuman is not made")
        accounts = folder / "etc/passwd"
        users = re.findall(r"^(.+?):", accounts.read_text(), flags=re.M) if accounts.is_file() else []
        for name in re.findall(r"^User=(.+)", "".join(unit.read_text() for unit in units), flags=re.M):
            if name not in users:
                found.append(f"sysusers.conf: no user {name}")
    return found


CLEAN = {f"packaging/{name}": (HERE / name).read_text() for name in [*WANTED, *PLACES]}


def changed(name, old, new):
    path = f"packaging/{name}"
    assert old in CLEAN[path], f"{name} has no {old!r}"
    return {path: CLEAN[path].replace(old, new)}


FAULTS = [
    ("a word that systemd does not know", changed("smmuman.service.in", "ProtectClock=", "ProtectClocks=")),
    ("a service that may do everything", {"packaging/more.service.in": "[Service]\nExecStart=/bin/true\n"}),
    ("a service that leaves its clients open", changed("smmuman.service.in", "--safe-state", "--check")),
    ("a trial that begins anew", changed("smmuman.service.in", "RestartPreventExitStatus=2 3 4\n", "")),
    ("a holder that can be stopped", changed("smmuman-holder.service.in", "RefuseManualStop=yes\n", "")),
    ("a socket before containment", {"packaging/smmuman.socket": "[Socket]\n"}),
    ("a user that nobody makes", changed("sysusers.conf", "u smmuman-log", "u smmuman-logs")),
    ("a line of users that makes no sense", changed("sysusers.conf", "g smmu - -", "group smmu - -")),
    ("a directory that nobody makes", changed("tmpfiles.conf", "/run/smmuman ", "/run/smmu ")),
    ("a catalogue that makes no sense", changed("smmuman.catalog", "-- 7f78cea8d55e4a56", "-- 7f78")),
]

if __name__ == "__main__":
    lint.main(findings, CLEAN, FAULTS)
