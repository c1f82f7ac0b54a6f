"""A disk that is really full: a small file system of its own, mounted for one test."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

_COMMAND_S = 30


@contextlib.contextmanager
def small_disk(place: Path, options: str = "size=128k") -> Iterator[Path]:
    """A tmpfs at ``place``; skips the test where none may be mounted."""
    if os.geteuid():
        pytest.skip("mounting a file system needs root")
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", str(place)], capture_output=True, timeout=_COMMAND_S, check=False)
    if mounted.returncode:
        pytest.skip(f"mounting a file system is not permitted: {mounted.stderr.decode().strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], timeout=_COMMAND_S, check=True)


def fill(disk: Path) -> None:
    """Takes what room is left for the content of files; empty ones can still be made."""
    with contextlib.suppress(OSError), (disk / "filler").open("wb", buffering=0) as file:
        for _page in range(256):
            file.write(bytes(4096))
    assert os.statvfs(disk).f_bavail == 0
