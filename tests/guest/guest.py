#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Boots a stock Debian kernel in QEMU with programs of the build, and runs a shell script there; see README.md.

The exit status is the script's. 124: the guest was ended at its deadline. 125: it ended without a result, or never began;
standard error says why."""
import argparse
import pathlib
import subprocess
import sys
import tarfile
import tempfile

sys.dont_write_bytecode = True  # the tree stays as it is
import machine
from archive import Archive
from contents import Libraries, Modules

HERE = pathlib.Path(__file__).resolve().parent
AT_DEADLINE = 124
NO_RESULT = 125
# Units of systemd's own that would wait for what a guest lacks, udev and modules, or that no test has a use for.
NOT_THERE = ["serial-getty@.service", "getty@.service", "proc-sys-fs-binfmt_misc.automount", "modprobe@.service",
             "sys-kernel-debug.mount", "sys-kernel-tracing.mount", "sys-kernel-config.mount", "sys-fs-fuse-connections.mount",
             "systemd-update-utmp.service", "systemd-update-utmp-runlevel.service", "systemd-random-seed.service"]
# On a loaded machine a start may take minutes that takes a second elsewhere.
SYSTEMD = "rdinit=/lib/systemd/systemd TERM=dumb systemd.default_timeout_start_sec=900"


def main():
    choice = arguments()
    try:
        return boot(choice)
    except (OSError, subprocess.CalledProcessError, tarfile.TarError, ValueError) as wrong:
        print(f"guest: {wrong}", file=sys.stderr)
        return NO_RESULT


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("script", help="what the guest's shell runs; what it leaves in /results comes back")
    parser.add_argument("--architecture", choices=sorted(machine.MACHINES), default="amd64")
    parser.add_argument("--system", action="store_true", help="with systemd, journal, dbus and dpkg instead of busybox alone")
    parser.add_argument("--words", default="", help="for the kernel's command line, such as 'intel_iommu=off'")
    parser.add_argument("--program", action="append", default=[], metavar="FILE", help="put into /bin with the libraries it needs")
    parser.add_argument("--file", action="append", default=[], metavar="FILE=NAME", help="put into the guest by that name")
    parser.add_argument("--module", action="append", default=[], metavar="NAME", help="a kernel module, loaded before the script")
    parser.add_argument("--device", action="append", default=[], metavar="QEMU", help="beside the edu device at 00:03.0")
    parser.add_argument("--disk", type=int, default=0, metavar="MIB", help="an empty NVMe disk at 00:05.0")
    parser.add_argument("--network", action="store_true", help="a virtio network card at 00:06.0, behind the IOMMU; 10.0.2.2 answers there")
    parser.add_argument("--memory", type=int, default=1024, metavar="MIB")
    parser.add_argument("--seconds", type=float, default=300, help="the deadline of the whole guest")
    parser.add_argument("--console", type=pathlib.Path, metavar="FILE", help="instead of standard output")
    parser.add_argument("--results", type=pathlib.Path, metavar="FOLDER", help="where the contents of /results go")
    return parser.parse_args()


def boot(choice):
    kind = machine.MACHINES[choice.architecture]
    kernel_folder = packages("kernel", choice.architecture)
    with tempfile.TemporaryDirectory() as place:
        initramfs = pathlib.Path(place, "initramfs")
        initramfs.write_bytes(image(choice, kind, kernel_folder))
        [kernel] = kernel_folder.glob("boot/vmlinuz-*")
        report = pathlib.Path(place, "report.tar")
        words = choice.words + (f" {SYSTEMD}" if choice.system else "")
        line = machine.command(kind, kernel, initramfs, report, words, choice.memory, choice.device)
        line += disk(pathlib.Path(place, "disk"), choice.disk) + (machine.NETWORK if choice.network else [])
        with open_console(choice.console) as console:
            in_time = machine.run(line, choice.seconds, lambda piece: (console.write(piece), console.flush()))
        if not in_time:
            print(f"guest: ended at its deadline of {choice.seconds:g} s", file=sys.stderr)
            return AT_DEADLINE
        return unpack(report, choice.results)


def disk(file, mib):
    if not mib:
        return []
    with file.open("wb") as content:
        content.truncate(mib << 20)
    return machine.disk(file)


def packages(purpose, architecture):
    done = subprocess.run([HERE.parents[1] / "scripts/guest-packages", purpose, architecture], stdout=subprocess.PIPE, text=True,
                          check=True)
    return pathlib.Path(done.stdout.strip())


def image(choice, kind, kernel_folder):
    root = "/" if choice.architecture == "amd64" else packages("sysroot", choice.architecture)
    archive = Archive()
    if choice.system:
        archive.tree(packages("system", choice.architecture))
        archive.file("etc/systemd/system/guest.service", (HERE / "guest.service").read_bytes())
        archive.link("etc/systemd/system/multi-user.target.wants/guest.service", "../guest.service")
        for unit in NOT_THERE:
            archive.link(f"etc/systemd/system/{unit}", "/dev/null")
    for folder in ("dev", "proc", "sys", "root"):
        archive.folder(folder)
    archive.file("init", (HERE / "init.sh").read_bytes(), executable=True)
    archive.file("bin/busybox", (kernel_folder / "bin/busybox").read_bytes(), executable=True)
    archive.file("bin/keep", (HERE / "keep.sh").read_bytes(), executable=True)
    archive.file("guest/run", (HERE / "run.sh").read_bytes(), executable=True)
    archive.file("guest/script", choice.script.encode())
    archive.link("guest/results_line", f"/dev/{kind.results}")
    for number, (name, content) in enumerate(Modules(kernel_folder).in_order(choice.module + ["virtio_net"] * choice.network)):
        archive.file(f"guest/modules/{number:03}-{name}.ko", content)
    libraries = Libraries(root, kind.triplet)
    for program in map(pathlib.Path, choice.program):
        archive.file(f"bin/{program.name}", program.read_bytes(), executable=True)
        for name, file in libraries.needed_by(program).items():
            archive.file(name, file.read_bytes(), executable=True)
    for pair in choice.file:
        file, separator, name = pair.rpartition("=")
        if not separator:
            raise ValueError(f"--file {pair}: FILE=NAME is expected")
        archive.file(name, pathlib.Path(file).read_bytes())
    return archive.bytes()


def open_console(file):
    return file.open("wb") if file else open(sys.stdout.fileno(), "wb", closefd=False)


def unpack(report, results):
    """The script's exit status; its files go into `results`."""
    if not report.is_file() or report.stat().st_size == 0:
        raise ValueError("it ended without a result; the console may say why")
    with tarfile.open(report) as archive:
        status = int(archive.extractfile("status").read())
        for member in archive if results else []:
            if member.isfile() and member.name.startswith("results/"):
                file = results / pathlib.PurePosixPath(member.name).relative_to("results")
                if ".." in file.parts:
                    raise ValueError(f"the guest sent a file named {member.name}")
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(archive.extractfile(member).read())
    return status


if __name__ == "__main__":
    sys.exit(main())
