"""Compiles the hot rooms of the runtime and writes one file per Python and architecture: accelerators/tandem-DIGEST-TAG.tar.gz.

What is there already is left as it is, so a second run costs nothing. The files are the same bytes for the same sources and compilers.
"""

from __future__ import annotations

import argparse
import gzip
import importlib.util
import io
import json
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from plugins.module_utils._accelerator import hot_files, sources_digest

from . import compilers
from .compilers import Target

TOP = Path(__file__).resolve().parents[2]
PACKAGE = TOP / "runtime" / "tandem"
# mypyc writes other code for 3.12 and newer (where Python itself keeps an object's __dict__); the headers tell the other versions apart.
_C_FOR = (10, 12)


def main() -> None:
    given = _parser().parse_args()
    try:
        targets = _targets(given)
        commands = {machine: compilers.compiler(given.compiler, machine) for machine in {target.machine for target in targets}}
    except ValueError as error:
        sys.exit(str(error))
    if given.compiler == "zig" and importlib.util.find_spec("ziglang") is None:
        sys.exit("the ziglang wheel is missing: run make accelerators, which installs requirements/accelerators.txt, or give --compiler system")
    digest = sources_digest(PACKAGE)
    given.output.mkdir(parents=True, exist_ok=True)
    missing = [target for target in targets if not _file(given.output, digest, target).exists()]
    with tempfile.TemporaryDirectory(prefix="tandem-accelerators-") as scratch:
        # zig keeps what it makes of glibc; without a place of its own that is the user's home.
        os.environ.setdefault("ZIG_GLOBAL_CACHE_DIR", str(TOP / ".build" / "zig"))
        os.environ["ZIG_LOCAL_CACHE_DIR"] = f"{scratch}/zig"
        work = _Work(Path(scratch), digest)
        for target in missing:
            print(f"building for {target.tag}...", flush=True)
            _write(work.built(target, commands[target.machine]), _file(given.output, digest, target))
    for target in targets:
        print(_file(given.output, digest, target))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.accelerators", description=__doc__)
    parser.add_argument("--compiler", choices=("zig", "system"), default="zig", help="that of the ziglang wheel (default), or the system's")
    parser.add_argument("--python", action="append", metavar="PYTHON", help="build for this one; may be repeated (default: each minor version found)")
    parser.add_argument("--architecture", action="append", choices=compilers.ARCHITECTURES, help="repeatable (default: all; for system this one)")
    parser.add_argument("--output", type=Path, default=TOP / "accelerators", metavar="FOLDER", help="(default: accelerators)")
    return parser


def _targets(given: argparse.Namespace) -> list[Target]:
    if given.python:
        pythons = []
        for command in given.python:
            python = compilers.described(command)
            if python is None:
                raise ValueError(f"--python {command}: it is no CPython from 3.10 up that runs and has its headers (Debian: apt install python3-dev)")
            pythons.append(python)
    else:
        pythons = compilers.pythons_here()
        if not pythons:
            raise ValueError("no Python from 3.10 up with its headers was found: install them (Debian: apt install python3-dev), or give --python")
    machines = given.architecture or ([platform.machine()] if given.compiler == "system" else compilers.ARCHITECTURES)
    return [Target(python, machine) for python in pythons for machine in machines]


def _file(folder: Path, digest: str, target: Target) -> Path:
    return folder / f"tandem-{digest}-{target.tag}.tar.gz"


class _Work:
    """One run's scratch folder: sources with their links followed, the C made of them, and what is compiled."""

    def __init__(self, scratch: Path, digest: str) -> None:
        self._scratch = scratch
        self._group = f"tandem_{digest}"  # also a module's name: what two releases left in one process must not meet
        shutil.copytree(PACKAGE, scratch / "tandem", ignore=shutil.ignore_patterns("__pycache__"))

    def built(self, target: Target, command: list[str]) -> dict[str, bytes]:
        """The shared libraries by the names of the modules that they are."""
        made = self._c_for(max(minor for minor in _C_FOR if minor <= target.python.minor))
        include = [compilers.headers_for(target.python, self._scratch / "headers"), *(self._scratch / path for path in made["include"])]
        folder = self._scratch / target.tag
        folder.mkdir()

        def compile_one(name: str) -> tuple[str, bytes]:
            into = folder / f"{name}.so"
            compilers.build(command, [self._scratch / path for path in made["libraries"][name]], include, into)
            return into.name, into.read_bytes()

        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            return dict(pool.map(compile_one, made["libraries"]))

    def _c_for(self, minor: int) -> dict:
        told = self._scratch / f"c{minor}.json"
        if not told.exists():
            files = [f"tandem/{name}" for name, _path in hot_files(self._scratch / "tandem")]
            command = [sys.executable, "-m", "tools.accelerators.generate", f"c{minor}", self._group, str(minor), told.name, *files]
            run = subprocess.run(command, cwd=self._scratch, env={**os.environ, "PYTHONPATH": str(TOP)}, capture_output=True, text=True, check=False)
            if run.returncode:
                sys.exit(f"mypyc does not compile the hot rooms:\n{run.stdout}{run.stderr}")
        return json.loads(told.read_bytes())


def _write(libraries: dict[str, bytes], into: Path) -> None:
    """With nothing in it of when or by whom it was made."""
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", mtime=0, filename="") as compressed, tarfile.open(fileobj=compressed, mode="w") as archive:
        for name, content in sorted(libraries.items()):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode, entry.mtime = len(content), 0o644, 0
            archive.addfile(entry, io.BytesIO(content))
    fresh = into.with_name(f".{into.name}.{os.getpid()}")
    fresh.write_bytes(packed.getvalue())
    os.rename(fresh, into)


if __name__ == "__main__":
    main()
