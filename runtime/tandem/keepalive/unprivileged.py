"""Runs a command of an operator's: with no privilege, no input and nothing of its output, and never longer than it may.

As root it runs as ``nobody``; else as who the service is (``tandem-keepalive`` under systemd), without the capabilities of the service. Where that
cannot be had it does not run, and neither does a program that somebody else could have written.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import signal
from collections.abc import Mapping
from typing import Any, Optional

from .._programs import NOBODY, NotRun, trusted
from .complaints import reason

ctypes: Any
try:
    import ctypes
except ImportError:
    ctypes = None

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL = 47, 4
_KILLED_S = 1.0
_library: Any = None if ctypes is None else ctypes.CDLL(None, use_errno=True)


class Commands:
    """``root``: whether this process is root's."""

    def __init__(self, root: Optional[bool] = None) -> None:
        self._root = os.geteuid() == 0 if root is None else root

    async def run(self, command: str, timeout_s: float, told: Mapping[str, str]) -> tuple[bool, str]:
        """Whether it has ended with exit status 0, and how it ended, in words. ``told`` is its environment, beside PATH."""
        try:
            who, words = self._who(), shlex.split(command)
            process = await asyncio.create_subprocess_exec(
                *words,
                executable=trusted(words[0], NOBODY if self._root else os.geteuid()),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
                env={"PATH": _PATH, **told},
                cwd="/",
                start_new_session=True,
                **who,
            )
        except NotRun as why:
            return False, str(why)
        except (OSError, ValueError, LookupError) as error:
            return False, f"it cannot be run: {reason(error) if isinstance(error, OSError) else error}"
        except Exception as error:  # noqa: BLE001 - SubprocessError: what is done between fork and exec was refused
            return False, f"it cannot be run: {error}"
        try:
            status = await asyncio.wait_for(process.wait(), timeout_s)
        except asyncio.TimeoutError:
            return False, f"it has not ended within {timeout_s:g} s"
        finally:
            await _end(process)
        return status == 0, f"exit status {status}" if status >= 0 else f"ended by signal {-status}"

    def _who(self) -> dict[str, Any]:
        """Raises LookupError where it would have to run with what this service may."""
        if self._root:
            return {"user": NOBODY, "group": NOBODY, "extra_groups": []}
        if _library is None:
            raise LookupError("its capabilities cannot be taken from it, as this Python has no ctypes")
        return {"preexec_fn": _without_capabilities}


def _without_capabilities() -> None:
    if _library.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0:
        os._exit(126)


async def _end(process: asyncio.subprocess.Process) -> None:
    """With all that it has started and that has not left its session."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    if process.returncode is None:
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(process.wait(), _KILLED_S)
