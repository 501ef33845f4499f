# SPDX-License-Identifier: Apache-2.0
"""The emulated machines: QEMU without acceleration and without a screen. A machine has two serial lines: the console, and one
for results. Neither does DMA, so that an IOMMU may be tried without losing them."""
import dataclasses
import os
import selectors
import subprocess
import time

EDU = "edu,addr=3,dma_mask=0xffffffffffffffff"
# What its DMA reads and writes goes through the IOMMU like that of any other device; nothing leaves this machine.
NETWORK = ["-netdev", "user,id=network,restrict=on", "-device", "virtio-net-pci,netdev=network,addr=6,iommu_platform=on,disable-legacy=on,romfile="]


@dataclasses.dataclass(frozen=True)
class Machine:
    qemu: str
    triplet: str
    options: tuple
    iommu: tuple
    words: str  # for the kernel: its console and the like
    results: str


MACHINES = {
    "amd64": Machine("qemu-system-x86_64", "x86_64-linux-gnu", ("-machine", "q35", "-cpu", "max"),
                     ("-device", "intel-iommu,aw-bits=48"),
                     # On a loaded host the kernel would find that the timer does not tick, and panic.
                     "console=ttyS0 no_timer_check", "ttyS1"),
    "arm64": Machine("qemu-system-aarch64", "aarch64-linux-gnu",
                     ("-machine", "virt,iommu=smmuv3,gic-version=3", "-cpu", "cortex-a57"), (), "console=ttyAMA0", "ttyAMA1"),
}


def command(machine, kernel, initramfs, results, words="", memory=1024, devices=()):
    """The words that start QEMU. `results` is the file that receives the second line."""
    line = [machine.qemu, "-accel", "tcg", *machine.options, *machine.iommu, "-m", str(memory), "-display", "none", "-nodefaults",
            "-no-reboot", "-serial", "stdio", "-serial", f"file:{results}"]
    for device in (EDU, *devices):
        line += ["-device", device]
    # A kernel that panics reboots at once, which ends QEMU.
    return line + ["-kernel", str(kernel), "-initrd", str(initramfs), "-append", f"{machine.words} quiet panic=-1 {words}"]


def disk(file):
    return ["-drive", f"if=none,id=disk,format=raw,file={file}", "-device", "nvme,drive=disk,serial=disk,addr=5"]


def run(line, seconds, console):
    """Runs QEMU until it ends, and gives each piece of its console to `console`. False: it was ended at the deadline."""
    deadline = time.monotonic() + seconds
    # QEMU ends with this process, however that ends.
    qemu = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "--", *line], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    try:
        with selectors.DefaultSelector() as selector:
            selector.register(qemu.stdout, selectors.EVENT_READ)
            while selector.select(max(0, deadline - time.monotonic())):
                piece = os.read(qemu.stdout.fileno(), 65536)
                if not piece:
                    return True
                console(piece.replace(b"\r", b""))
        return False
    finally:
        qemu.kill()
        qemu.wait()
