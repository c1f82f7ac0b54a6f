# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Accelerators: the rooms where a request spends its time, compiled for one Python, architecture and libc. What they are called, which may be used.

Used by the modules, by the runtime (the bundle carries this file) and by what builds them, so: standard library only, Python 3.9.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Compiled, as files and folders below the package.
HOT = (
    "balance",
    "http",
    "metrics",
    "proxy/context.py",
    "proxy/flow",
    "proxy/pipe.py",
    "proxy/pool",
    "proxy/reactor.py",
    "proxy/unique.py",
    "proxy/verifier.py",
    "proxy/wheel.py",
)
# Not compiled, but its types are built into what is: with other types an accelerator would be wrong, so they count in its digest.
SEEN = ("_model", "tls", "wire")
DIGEST_CHARACTERS = 16
VERDICT = "checked.json"  # in an accelerator's folder: whether it passed its check on this node, and with which files
SETTINGS = ("auto", "required", "none")

# Why workers run without one, where that is no fault; a former or later setting or deployment may be why.
NONE_HERE = "none lies here for this release and Python"
BY_SETTING = "the node's setting is none"


def tag() -> str:
    """What an accelerator must be built for to run in this Python: "cp311-x86_64-gnu"; "" where there can be none."""
    if sys.implementation.name != "cpython" or sys.maxsize < 2**32 or not sys.platform.startswith("linux"):
        return ""
    # abiflags: "t" without a GIL, "d" for a debug build; neither loads what was built for the usual one.
    return f"cp{sys.version_info[0]}{sys.version_info[1]}{sys.abiflags}-{platform.machine()}-{libc()}"


def libc() -> str:
    try:
        return "gnu" if (os.confstr("CS_GNU_LIBC_VERSION") or "").startswith("glibc") else "musl"
    except (ValueError, OSError):  # only glibc has that name (confstr(3))
        return "musl"


def hot_files(package: Path) -> list[tuple[str, Path]]:
    """(name below the package, file) of what is compiled. What an ``__init__`` holds is no code."""
    return [(name, path) for name, path in _files(package, HOT) if path.name != "__init__.py"]


def sources_digest(package: Path) -> str:
    """SHA-256, shortened, over what an accelerator is made of: it fits a release whose sources give the same."""
    total = hashlib.sha256()
    for name, path in _files(package, HOT + SEEN):
        content = path.read_bytes()
        total.update(f"{name}\0{len(content)}\0".encode() + content)
    return total.hexdigest()[:DIGEST_CHARACTERS]


def _files(package: Path, places: tuple[str, ...]) -> list[tuple[str, Path]]:
    found = []
    for place in places:
        path = package / place
        found += [(f"{place}/{file.name}", file) for file in path.glob("*.py")] if path.is_dir() else [(place, path)]
    return sorted(found)


@dataclass(frozen=True)
class Verdict:
    """What the check of an accelerator's folder has found; ``files`` are the SHA-256 of what was checked, by name."""

    passed: bool
    why: str
    files: dict[str, str]

    @classmethod
    def of(cls, folder: Path, why: str) -> Verdict:
        """After a check; ``why`` it has failed, or ""."""
        return cls(not why, why, _sums(folder))

    def write(self, folder: Path) -> None:
        fresh = folder / f".{VERDICT}.{os.getpid()}"
        fresh.write_text(json.dumps({"passed": self.passed, "why": self.why, "files": self.files}, indent=2, sort_keys=True) + "\n")
        fresh.chmod(0o644)
        os.rename(fresh, folder / VERDICT)

    @classmethod
    def read(cls, folder: Path) -> Verdict:
        """Raises OSError, ValueError."""
        told: Any = json.loads((folder / VERDICT).read_bytes())
        try:
            return cls(bool(told["passed"]), str(told["why"]), dict(told["files"]))
        except (KeyError, TypeError) as error:
            raise ValueError(f"no verdict: {error!r}") from None

    def still_of(self, folder: Path) -> bool:
        """Whether the files are those that were checked, byte by byte. Raises OSError."""
        return self.files == _sums(folder)


def objection(folder: Path) -> str:
    """Why what lies in an accelerator's folder is not used; "" when it may be. It is used only as it passed its check."""
    try:
        verdict = Verdict.read(folder)
        same = verdict.still_of(folder)
    except FileNotFoundError:
        return "it has not passed its check on this node"
    except (OSError, ValueError) as error:
        return f"what its check has found cannot be read ({error})"
    if not verdict.passed:
        return f"its check failed: {verdict.why}"
    return "" if same else "its files are not those that passed its check"


def settled(folder: Path) -> bool:
    """Whether what lies there was checked, with whatever outcome: sending the same again would change nothing."""
    try:
        return Verdict.read(folder).still_of(folder)
    except (OSError, ValueError):
        return False


def _sums(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.glob("*.so"))}
