"""The hot rooms compiled for this Python with the system's compiler: built once into .build, and again only when their sources change."""

from __future__ import annotations

import contextlib
import functools
import os
import subprocess
import sys
import tarfile
from pathlib import Path

from tandem import acceleration

TOP = Path(__file__).parents[2]
BUILT = TOP / ".build" / "accelerators"
BUILD_S = 600


@functools.lru_cache(maxsize=1)
def packed() -> Path:
    """The file, as ``make accelerators`` writes it."""
    command = [sys.executable, "-m", "tools.accelerators", "--compiler", "system", "--python", sys.executable, "--output", str(BUILT)]
    run = subprocess.run(command, cwd=TOP, capture_output=True, text=True, timeout=BUILD_S, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    return Path(run.stdout.splitlines()[-1])


def unpack(into: Path) -> Path:
    """Puts what is compiled into a folder, which is made, and returns it."""
    into.mkdir(parents=True, exist_ok=True)
    with tarfile.open(packed()) as archive:
        for entry in archive:
            content = archive.extractfile(entry)
            assert content is not None
            (into / entry.name).write_bytes(content.read())
    return into


def load_into_this_process() -> None:
    """From now on this process has the compiled modules; none of them may have been imported before."""
    folder = BUILT / packed().name[: -len(".tar.gz")]
    if not folder.exists():
        # Whole or not at all: what another process has loaded already must not be written to, or that one crashes.
        fresh = unpack(folder.with_name(f".{folder.name}.{os.getpid()}"))
        with contextlib.suppress(OSError):  # the other one was first
            fresh.rename(folder)
    why = acceleration.load(folder)
    assert not why, why
