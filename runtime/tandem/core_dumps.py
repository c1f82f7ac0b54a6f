"""Keeps the keys that are in a service's memory from what is left of it when it dies. Not for debuggers: those are the business of ptrace(2)."""

from __future__ import annotations

import contextlib
import resource
from pathlib import Path

_FILTER = Path("/proc/self/coredump_filter")


def forbid_core_dumps() -> None:
    """No memory of this process, nor of those that it starts, is in a core dump (core(5)). Under systemd the units say the same.

    The limit keeps the kernel from writing a file. A program that ``core_pattern`` names is given the dump whatever the limit is, so the filter
    leaves none of the memory in it. PR_SET_DUMPABLE would do all of this at once, and keep debuggers of the same account away; but then who has no
    CAP_SYS_PTRACE, an ordinary user or root in most containers, could not read a service's environment, by which an update is told from what runs.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError):  # a kernel without core dumps has no filter for them
        _FILTER.write_text("0")
