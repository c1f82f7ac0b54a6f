"""`tandem logs`: the logs of both services, one after the other as they came: of the journal, or of the files that the manager writes."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from .._paths import Paths
from .._this_node import this_node

SERVICES = ("proxy", "keepalive")
_LOOK_S = 0.25
_TAIL_BYTES_MAX = 4 * 1024 * 1024


def run(paths: Paths, given: argparse.Namespace) -> int:
    wanted = [given.service] if given.service else list(SERVICES)
    if this_node(paths).get("service_manager") == "systemd":
        return _journal(wanted, given)
    files = {name: paths.log / f"{name}.log" for name in wanted}
    there = {name: path for name, path in files.items() if path.exists()}
    if not there:
        print(f"there are no logs in {paths.log}: the services have not been started there", file=sys.stderr)
        return 1
    ends = {name: _last(name, path, given.lines) for name, path in there.items()}
    if given.follow:
        try:
            for line in _following(there, ends):
                print(line, flush=True)
        except KeyboardInterrupt:
            pass
    return 0


def _journal(wanted: list[str], given: argparse.Namespace) -> int:
    """systemd's own program has all of it: times, levels, and who may read."""
    units = [word for name in wanted for word in ("--unit", f"tandem-{name}.service")]
    more = ["--follow"] if given.follow else []
    program = shutil.which("journalctl")
    if program is not None:
        sys.stdout.flush()
        os.execv(program, [program, "--no-pager", "--output", "short-iso-precise", "--lines", str(given.lines), *units, *more])
    print("journalctl is not here, and the services log to the journal", file=sys.stderr)
    return 1


def _last(name: str, path: Path, lines: int) -> int:
    """Prints the last lines and returns where the file ended. The lines have no times, so those of the services stand one service after the other."""
    for line in tail(path, lines):
        print(f"{name:<9} {line}", flush=True)
    return path.stat().st_size


def tail(path: Path, lines: int) -> list[str]:
    """The last lines of a file. Raises OSError."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        file.seek(max(0, size - _TAIL_BYTES_MAX))
        found = file.read(_TAIL_BYTES_MAX).decode(errors="replace").splitlines()
    return found[-lines:] if lines > 0 else []


def _following(files: dict[str, Path], ends: dict[str, int]) -> Iterator[str]:
    """Whole lines as they come, of a file that begins anew too."""
    held = dict.fromkeys(files, "")
    while True:
        for name, path in files.items():
            size = path.stat().st_size if path.exists() else 0
            if size < ends[name]:
                ends[name], held[name] = 0, ""
            if size > ends[name]:
                with path.open("rb") as file:
                    file.seek(ends[name])
                    data = file.read(_TAIL_BYTES_MAX)
                ends[name] += len(data)
                *whole, held[name] = (held[name] + data.decode(errors="replace")).split("\n")
                yield from (f"{name:<9} {line}" for line in whole)
        time.sleep(_LOOK_S)
