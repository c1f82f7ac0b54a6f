"""Writes the C of the hot rooms, and a file of JSON that says how it is to be compiled. A process of its own, as mypyc ends its process at an error.

Usage: python -m tools.accelerators.generate TARGET GROUP MINOR JSON FILE..., in a folder where the package lies.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from mypyc import build
from mypyc.options import CompilerOptions

# What mypy checks for; the sources ask for no version, so the code is the same.
_CHECKED_FOR = "3.10"
# Classes that what is not compiled inherits from (by file), which mypyc wants to be told. It is told in the copy of the sources that it reads, as its
# own way to do so is an import that nodes do not have.
_OPEN = {"tandem/proxy/wheel.py": "Timed", "tandem/proxy/reactor.py": "Handler"}


def main(target: str, group: str, minor: str, told: Path, files: list[str]) -> None:
    for file, name in _OPEN.items():
        _open(Path(file), name)
    options = CompilerOptions(target_dir=target, group_name=group, capi_version=(3, int(minor)))
    groups, written, _deps = build.mypyc_build(["--strict", "--python-version", _CHECKED_FOR, *files], options)
    ((sources, _name),), ((c_files, _headers),) = groups, written
    libraries = {f"{group}__mypyc": c_files}
    for source in sources:
        libraries[source.module] = [build.generate_c_extension_shim(source.module, source.module.rpartition(".")[2], target, group)]
    told.write_text(json.dumps({"libraries": libraries, "include": [build.include_dir(), target]}))


def _open(file: Path, name: str) -> None:
    text = file.read_text()
    if "mypyc_attr" in text:
        return  # by the run for another Python
    lines = text.splitlines()
    (at,) = (number for number, line in enumerate(lines) if line.startswith((f"class {name}:", f"class {name}(")))
    lines.insert(at, "@mypyc_attr(allow_interpreted_subclasses=True)")
    after_imports = lines.index("from __future__ import annotations") + 1
    lines[after_imports:after_imports] = ["from typing import TYPE_CHECKING", "if TYPE_CHECKING:", "    from mypy_extensions import mypyc_attr"]
    file.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], Path(sys.argv[4]), sys.argv[5:])
