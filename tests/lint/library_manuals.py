#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Each function of the library has a manual page: with the prototype of the header, errors that say when,
and an example that compiles."""
import pathlib
import re
import tempfile

import lint

SECTIONS = ["NAME", "SYNOPSIS", "DESCRIPTION", "RETURN VALUES", "EXAMPLES", "ERRORS", "NOTES", "SEE ALSO"]
HEADERS = ["smmu.h", "smmu_ext.h"]
COMPILE = ["gcc", "-std=c11", "-Wall", "-Wextra", "-Werror", "-fsyntax-only"]


def without_comments(text):
    return re.sub(r"/\*.*?\*/", " ", text, flags=re.S)


def plain(prototype):
    """A prototype with one way to put its spaces."""
    return re.sub(r"\s*([*(),])\s*", r"\1", " ".join(prototype.split()))


def functions(root):
    """Name to (header, prototype): what the library exports, and what the headers define inline."""
    exported = set(re.findall(r"\b(smmu_\w+);", without_comments((root / "src/client/libsmmu.map").read_text())))
    found = {}
    for header in HEADERS:
        path = root / "include" / header
        text = without_comments(path.read_text()) if path.is_file() else ""
        for kind, prefix, name, arguments in re.findall(
                r"^(static inline )?(\w[\w ]*?[ *]+)(smmu_\w+)\(([^()]*)\)\s*[;{]", text, flags=re.M):
            if kind or name in exported:
                found[name] = (header, plain(f"{prefix}{name}({arguments})"))
    missing = [f"libsmmu.map: {name} is in no header" for name in sorted(exported - set(found))]
    return found, missing


def sections(page):
    parts = re.split(r"^\.Sh (.+)\n", page, flags=re.M)
    return dict(zip(parts[1::2], parts[2::2]))


def prototype(synopsis):
    result = re.search(r"^\.Ft (.+)$", synopsis, flags=re.M)
    call = re.search(r"^\.Fn (\w+) (.+)$", synopsis, flags=re.M)
    if not result or not call:
        return ""
    arguments = ", ".join(re.findall('"([^"]*)"', call[2]))
    return plain(f"{result[1]} {call[1]}({arguments})")


def error_faults(name, errors):
    if not errors.strip():
        return [f"{name}.3: ERRORS is empty"]
    items = re.findall(r"^\.It Bq Er (\w+)\n(.*?)(?=^\.It|^\.El)", errors, flags=re.M | re.S)
    found = [f"{name}.3: {code} does not say when" for code, when in items if not when.strip()]
    codes = [code for code, _ in items]
    found += [f"{name}.3: {code} is said twice" for code in sorted(set(codes)) if codes.count(code) > 1]
    if not items and not errors.startswith("None"):
        found.append(f"{name}.3: ERRORS names none, and does not say so")
    return found


def example_faults(root, name, text):
    blocks = re.findall(r"^\.Bd -literal.*?\n(.*?)^\.Ed", text, flags=re.M | re.S)
    found = [] if blocks else [f"{name}.3: EXAMPLES has no program"]
    for block in blocks:
        with tempfile.NamedTemporaryFile("w", suffix=".c") as source:
            source.write(block.replace("\\e", "\\"))
            source.flush()
            said = lint.run([*COMPILE, "-I", str(root / "include"), source.name])
        if said:
            found.append(f"{name}.3: the example does not compile: {said}")
    return found


def findings(root):
    known, found = functions(root)
    for name, (header, wanted) in sorted(known.items()):
        path = root / "man" / f"{name}.3"
        if not path.is_file():
            found.append(f"{name} has no page man/{name}.3")
            continue
        parts = sections(path.read_text())
        found += [f"{path.name}: no section {section}" for section in SECTIONS if section not in parts]
        synopsis = parts.get("SYNOPSIS", "")
        if f".In {header}\n" not in synopsis:
            found.append(f"{path.name}: does not include {header}")
        if prototype(synopsis) != wanted:
            found.append(f"{path.name}: SYNOPSIS says {prototype(synopsis)}, the header {wanted}")
        found += error_faults(name, parts.get("ERRORS", ""))
        found += example_faults(root, name, parts.get("EXAMPLES", ""))
    overview = root / "man/libsmmu.3"
    if overview.is_file():
        found += example_faults(root, overview.stem, sections(overview.read_text()).get("EXAMPLES", ""))
    for path in sorted((root / "man").glob("smmu_*.3")):
        if path.stem not in known:
            found.append(f"{path.name}: there is no such function")
    return found


PAGE = """.Sh NAME
.Nm smmu_x
.Sh SYNOPSIS
.In smmu.h
.Ft int
.Fn smmu_x "unsigned flags" "const char *text"
.Sh DESCRIPTION
.Sh RETURN VALUES
.Sh EXAMPLES
.Bd -literal
#include <smmu.h>
int f(void) { return smmu_x(0, "\\en"); }
.Ed
.Sh ERRORS
.Bl -tag
.It Bq Er EINVAL
A bad flag.
.El
.Sh NOTES
.Sh SEE ALSO
"""
MAP = "LIBSMMU_0 { global: smmu_x; local: *; };\n"
CLEAN = {"man/smmu_x.3": PAGE, "src/client/libsmmu.map": MAP,
         "include/smmu.h": "/* A function. */\nint smmu_x(unsigned flags,\n           const char* text);\n"}
FAULTS = [
    ("a function without a page", {"src/client/libsmmu.map": MAP.replace("smmu_x;", "smmu_x; smmu_y;"),
                                   "include/smmu.h": CLEAN["include/smmu.h"] + "int smmu_y(void);\n"}),
    ("a name that no header has", {"src/client/libsmmu.map": MAP.replace("smmu_x;", "smmu_x; smmu_y;")}),
    ("another prototype", {"man/smmu_x.3": PAGE.replace("unsigned flags", "int flags")}),
    ("the wrong header", {"man/smmu_x.3": PAGE.replace(".In smmu.h", ".In smmu_ext.h")}),
    ("an error that says nothing", {"man/smmu_x.3": PAGE.replace("A bad flag.\n", "")}),
    ("no errors", {"man/smmu_x.3": PAGE.replace(".It Bq Er EINVAL\nA bad flag.\n", "")}),
    ("an example that does not compile", {"man/smmu_x.3": PAGE.replace("return smmu_x(0", "return smmu_z(0")}),
    ("no example", {"man/smmu_x.3": PAGE.replace(".Bd -literal", ".Pp")}),
    ("no section", {"man/smmu_x.3": PAGE.replace(".Sh NOTES\n", "")}),
    ("an overview whose example does not compile", {"man/libsmmu.3": PAGE.replace("smmu_x(0", "smmu_z(0")}),
    ("a page of nothing", {"man/smmu_y.3": PAGE}),
]

if __name__ == "__main__":
    lint.main(findings, CLEAN, FAULTS)
