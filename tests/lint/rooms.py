#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds the table of rooms in docs/architecture.md against CMakeLists.txt and every #include line under src/."""
import re

import lint


def table_of(root):
    """room -> (layer, rooms it may include)"""
    rooms = {}
    for line in (root / "docs/architecture.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("|") and len(cells) == 4 and cells[0].isdigit():
            rooms[cells[1].strip("`")] = (int(cells[0]), set(cells[3].split()) - {"–"})
    return rooms


def declared_in_cmake(root):
    text = (root / "CMakeLists.txt").read_text()
    rooms = {}
    for call in re.findall(r"^smmu_room\(([^)]*)\)", text, re.MULTILINE):
        words = call.split()
        depends = []
        if "DEPENDS" in words:
            depends = words[words.index("DEPENDS") + 1:]
            if "LIBRARIES" in depends:
                depends = depends[: depends.index("LIBRARIES")]
        rooms[words[0]] = set(depends)
    return rooms


def room_of(path, rooms):
    """The room that a path like units/vtd/x.hpp lies in: the longest that fits."""
    folder = path.rsplit("/", 1)[0]
    return folder if folder in rooms else None


def findings(root):
    table, cmake, found = table_of(root), declared_in_cmake(root), []
    if not table:
        return ["docs/architecture.md: no table of rooms (| layer | room | one job | may include |)"]
    for room in sorted(table.keys() | cmake.keys()):
        if room not in table or room not in cmake:
            found.append(f"{room}: is not in {'docs/architecture.md' if room not in table else 'CMakeLists.txt'}")
        elif table[room][1] != cmake[room]:
            found.append(f"{room}: may include {sorted(table[room][1])} says the table, {sorted(cmake[room])} CMakeLists.txt")
    for room, (layer, may) in table.items():
        for other in sorted(may):
            if other not in table:
                found.append(f"{room}: may include {other}, which is no room")
            elif table[other][0] >= layer:
                found.append(f"{room}: may include {other}, which is not of a lower layer")
    for path in lint.files(root, {".cpp", ".hpp"}, ["src"]):
        name = path.relative_to(root / "src").as_posix()
        here = room_of(name, table)
        if here is None:
            found.append(f"src/{name}: lies in no room")
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            included = re.match(r'\s*#\s*include\s+"([^"]+/[^"]+)"', line)
            if not included:
                continue
            there = room_of(included[1], table)
            if there is None:
                found.append(f"src/{name}:{number}: {included[1]} is in no room")
            elif there != here and there not in table[here][1]:
                found.append(f"src/{name}:{number}: {here} may not include {there}")
    return found


TABLE = "| layer | room | one job | may include |\n|---|---|---|---|\n| 0 | base | words | – |\n| 1 | hw | devices | base |\n"
CLEAN = {
    "docs/architecture.md": TABLE,
    "CMakeLists.txt": "smmu_room(base LIBRARIES fmt::fmt)\nsmmu_room(hw DEPENDS base)\n",
    "src/base/range.hpp": "#include <vector>\n",
    "src/hw/mmio.hpp": '#include "base/range.hpp"\n',
}
FAULTS = [
    ("an include that the table forbids", {"src/base/range.hpp": '#include "hw/mmio.hpp"\n'}),
    ("a dependency only in CMake", {"CMakeLists.txt": "smmu_room(base DEPENDS hw)\nsmmu_room(hw DEPENDS base)\n"}),
    ("a room only in CMake", {"CMakeLists.txt": CLEAN["CMakeLists.txt"] + "smmu_room(memory DEPENDS base)\n"}),
    ("a room that includes its own layer", {"docs/architecture.md": TABLE.replace("| 1 | hw", "| 0 | hw")}),
    ("a file in no room", {"src/extra/thing.hpp": "\n"}),
    ("no table", {"docs/architecture.md": "nothing\n"}),
]

if __name__ == "__main__":
    lint.main(findings, CLEAN, FAULTS)
