# SPDX-License-Identifier: Apache-2.0
"""An initramfs as the kernel reads it: a cpio archive of the form "newc". The same entries give the same bytes."""
import pathlib
import stat


class Archive:
    def __init__(self):
        self._entries = {}

    def folder(self, name):
        self._put(name, stat.S_IFDIR | 0o755, b"")

    def file(self, name, content, executable=False):
        self._put(name, stat.S_IFREG | (0o755 if executable else 0o644), content)

    def link(self, name, target):
        self._put(name, stat.S_IFLNK | 0o777, target.encode())

    def tree(self, root):
        """Everything below the folder, by the same names and with the same rights; all belongs to root."""
        for path in sorted(pathlib.Path(root).rglob("*")):
            name = str(path.relative_to(root))
            if path.is_symlink():
                self.link(name, str(path.readlink()))
            elif path.is_dir() or path.is_file():
                self._put(name, path.stat().st_mode, b"" if path.is_dir() else path.read_bytes())

    def _put(self, name, mode, content):
        """What is there already stays: a library that several programs need is put in once."""
        first, slash, rest = name.strip("/").partition("/")
        if slash and stat.S_ISLNK(self._entries.get(first, (0,))[0]):  # /lib of a system is a link to usr/lib
            first = self._entries[first][1].decode()
        name = first + slash + rest
        parent = str(pathlib.PurePosixPath(name).parent)
        if parent != "." and parent not in self._entries:
            self.folder(parent)
        self._entries.setdefault(name, (mode, content))

    def bytes(self):
        parts = []
        # In the order of names a folder comes before what is in it.
        for number, (name, (mode, content)) in enumerate(sorted(self._entries.items()), 1):
            parts += _entry(number, name, mode, content)
        parts += _entry(0, "TRAILER!!!", 0, b"")
        return b"".join(parts)


def _entry(number, name, mode, content):
    owner = group = modified = 0
    links = 2 if stat.S_ISDIR(mode) else 1
    device = [0, 0, 0, 0]  # of the file system and of the file, major and minor
    checksum = 0  # used by another form
    fields = [number, mode, owner, group, links, modified, len(content), *device, len(name) + 1, checksum]
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
    return [head, _padding(head), content, _padding(content)]


def _padding(part):
    return b"\0" * (-len(part) % 4)
