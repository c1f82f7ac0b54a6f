"""How C becomes a module for a Python and an architecture: with the compiler of the ziglang wheel, for any; with the system's, for this one."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ARCHITECTURES = ("x86_64", "aarch64")
# Those that mypyc's C compiles for; on a node with Python 3.9 the sources are run as they are.
MINORS = range(10, 15)
# The oldest glibc of a Linux with a Python that the runtime knows; what is linked against it runs with every later one.
GLIBC = "2.17"
# As CPython compiles its own modules; no line numbers, which nobody on a node reads.
_FLAGS = ("-O3", "-DNDEBUG", "-fwrapv", "-fPIC", "-fno-strict-aliasing", "-g0", "-w")

# Asked of each Python: who it is, and where its headers lie.
_QUESTION = """
import importlib.machinery, json, os, sys, sysconfig
print(json.dumps({
    "version": sys.version_info[:2], "abiflags": sys.abiflags, "kind": sys.implementation.name,
    "headers": sysconfig.get_path("include"), "multiarch": sysconfig.get_config_var("MULTIARCH") or "",
}))
"""


@dataclass(frozen=True)
class Python:
    """One that is built for, and its headers; ``pyconfig`` is the one that says what its machine is like."""

    minor: int
    abiflags: str
    headers: Path
    pyconfig: Path

    @property
    def name(self) -> str:
        return f"cp3{self.minor}{self.abiflags}"


@dataclass(frozen=True)
class Target:
    python: Python
    machine: str

    @property
    def tag(self) -> str:
        return f"{self.python.name}-{self.machine}-gnu"


def pythons_here() -> list[Python]:
    """One of each minor version that the runtime knows, of those on this machine that have their headers."""
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found: list[Python] = []
    for minor in MINORS:
        places = [f"python3.{minor}", *sorted(map(str, versions.glob(f"3.{minor}.*/bin/python3"))), f"/usr/bin/python3.{minor}"]
        known = (described(place) for place in places)
        found += [python for python in known if python and python.minor == minor][:1]
    return found


def described(command: str) -> Python | None:
    """What a Python says of itself; None where it does not run, is not CPython, or is without its headers."""
    path = shutil.which(command)
    if not path:
        return None
    # Isolated, and from a folder of no meaning: a pyenv shim looks at both.
    run = subprocess.run([os.path.abspath(path), "-I", "-c", _QUESTION], capture_output=True, text=True, check=False, cwd="/")
    if run.returncode:
        return None
    told = json.loads(run.stdout)
    headers = Path(told["headers"])
    # Debian's pyconfig.h leads to that of the machine's own architecture, which lies apart.
    own = headers.parent / told["multiarch"] / headers.name / "pyconfig.h"
    pyconfig = next((path for path in (own, headers / "pyconfig.h") if path.exists()), None)
    if told["kind"] != "cpython" or told["version"][1] not in MINORS or pyconfig is None or not (headers / "Python.h").exists():
        return None
    return Python(told["version"][1], told["abiflags"], headers, pyconfig)


def headers_for(python: Python, folder: Path) -> Path:
    """The headers of one Python in a folder with nothing else, which no other architecture's compiler would take for its own system's.

    The same are used for aarch64: what pyconfig.h says of x86_64 and of aarch64 under glibc differs only in what CPython's own sources ask for
    (whether there is assembler for x64 and x87). Both are LP64 and little-endian, and no object's layout depends on the rest. Whether a char has
    a sign is the compiler's to say, and it knows.
    """
    place = folder / python.name
    if not place.exists():
        shutil.copytree(python.headers, place)
        shutil.copyfile(python.pyconfig, place / "pyconfig.h")
    return place


def compiler(kind: str, machine: str) -> list[str]:
    """The command that compiles for an architecture. Raises ValueError where it cannot."""
    if kind == "zig":
        return [sys.executable, "-m", "ziglang", "cc", "-target", f"{machine}-linux-gnu.{GLIBC}", "-fno-sanitize=undefined"]
    if machine != platform.machine():
        raise ValueError(f"--compiler system builds for this machine, {platform.machine()}, alone: leave out --architecture {machine}, or --compiler")
    command = os.environ.get("CC") or "cc"
    if not shutil.which(command.split()[0]):
        raise ValueError(f"no compiler {command!r} on this machine: install one (Debian: apt install gcc), or leave out --compiler system")
    return command.split()


def build(command: list[str], sources: list[Path], include: list[Path], into: Path) -> None:
    """One shared library. Ends the program with the compiler's words where that fails."""
    run = subprocess.run(
        [*command, *_FLAGS, *(f"-I{path}" for path in include), "-shared", "-s", "-o", str(into), *map(str, sources)],
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode:
        words = re.sub(r"\n{2,}", "\n", run.stderr)[-4000:]
        sys.exit(f"{into.name}: {' '.join(command)} ended with status {run.returncode}:\n{words}")
