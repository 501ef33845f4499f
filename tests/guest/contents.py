# SPDX-License-Identifier: Apache-2.0
"""What a program or a kernel module needs beside itself, found by reading the files: nothing is run."""
import lzma
import pathlib
import re
import subprocess


class Libraries:
    """Shared libraries below `root`, for programs of the machine `triplet` names (x86_64-linux-gnu)."""

    def __init__(self, root, triplet):
        self._root = pathlib.Path(root)
        self._folders = [self._root / folder / triplet for folder in ("lib", "usr/lib")]

    def needed_by(self, program):
        """{name in the guest: file here} of everything the dynamic linker will look for, itself included."""
        found = {}
        waiting = [pathlib.Path(program)]
        while waiting:
            linking = _Linking(waiting.pop())
            for name in linking.needed:
                if f"lib/{name}" not in found:
                    found[f"lib/{name}"] = self._find(name, linking)
                    waiting.append(found[f"lib/{name}"])
            if linking.interpreter:
                found[linking.interpreter.strip("/")] = self._root / linking.interpreter.strip("/")
        return found

    def _find(self, name, linking):
        for folder in linking.run_path + self._folders:
            if (folder / name).is_file():
                return (folder / name).resolve()
        raise FileNotFoundError(f"{linking.file} needs {name}, which is not in {', '.join(map(str, self._folders))}")


class _Linking:
    """What a program or library says to the dynamic linker; nothing when it is static."""

    def __init__(self, file):
        self.file = file
        said = subprocess.run(["readelf", "--wide", "--dynamic", "--program-headers", str(file)], capture_output=True,
                              text=True, timeout=60, check=True).stdout
        self.needed = re.findall(r"\(NEEDED\).*\[(.*)\]", said)
        self.run_path = [pathlib.Path(folder) for line in re.findall(r"\(R(?:UN)?PATH\).*\[(.*)\]", said)
                         for folder in line.split(":")]
        self.interpreter = "".join(re.findall(r"\[Requesting program interpreter: (.*)\]", said))


class Modules:
    """The modules of the kernel in `folder`, which has lib/modules/VERSION."""

    def __init__(self, folder):
        files = pathlib.Path(folder).glob("lib/modules/*/kernel/**/*.ko.xz")
        self._files = {_plain(file.name.removesuffix(".ko.xz")): file for file in files}

    def in_order(self, names):
        """[(name, bytes)]: each module after those that it depends on. What is built into the kernel is no module."""
        chosen = {}
        for name in names:
            self._choose(_plain(name), chosen)
        return list(chosen.items())

    def _choose(self, name, chosen):
        if name in chosen:
            return
        if name not in self._files:
            raise FileNotFoundError(f"the kernel has no module {name}")
        content = lzma.decompress(self._files[name].read_bytes())
        depends = re.search(rb"\0depends=([^\0]*)\0", content)
        for other in depends[1].decode().split(",") if depends and depends[1] else []:
            self._choose(_plain(other), chosen)
        chosen[name] = content


def _plain(name):
    """Modules are called with - and _ alike."""
    return name.replace("-", "_")
