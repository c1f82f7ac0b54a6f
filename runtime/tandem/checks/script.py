"""A check of type script: a program on the node, which passes by its exit status 0.

It runs as the account of the service, which is none that may do anything; where that is root it runs as nobody. It is told what HAProxy tells an
external check: who is checked as arguments and in the environment, and nothing else of the service's. A program that somebody else could have written
is not run, since it would do what it wants with the proxy's account. What it has started goes with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from dataclasses import dataclass
from typing import Optional

from .._model import HealthCheck
from .._programs import NOBODY, NotRun, trusted
from .conversation import Verdict, shown

SCRIPTS_AT_ONCE = 16
OUTPUT_BYTES_MAX = 1024
_READ_BYTES = 65536
_SEARCHED = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_UNKNOWN = "NOT_USED"  # HAProxy's word for what a backend does not know


@dataclass(frozen=True)
class Checked:
    """Who is checked: the server ``name`` of the backend with the key ``backend``."""

    backend: str
    name: str
    address: str
    port: int


class Scripts:
    """Runs programs, so many at a time. To be made in the loop that runs."""

    def __init__(self, at_once: int = SCRIPTS_AT_ONCE) -> None:
        self._turn = asyncio.Semaphore(at_once)

    async def run(self, check: HealthCheck, checked: Checked) -> Verdict:
        """Runs the program once it is its turn, within the check's timeout from then on. Raises nothing that the program could cause."""
        async with self._turn:
            began = time.monotonic()
            uid = os.geteuid() or NOBODY
            try:
                status, output = await _ended(trusted(check.script, uid), check, checked, uid)
            except NotRun as why:
                return False, str(why)
            except OSError as error:
                return False, f"{check.script} cannot be run: {error.strerror}"
            took_ms = (time.monotonic() - began) * 1000
            words = f": {shown(output)}" if output else ""
            if status is None:
                return False, f"the script did not end within {check.timeout_ms} ms{words}"
            how = f"exit status {status}" if status >= 0 else f"ended by {signal.Signals(-status).name}"
            return status == 0, f"{how}{words} in {took_ms:.0f} ms"


async def _ended(program: str, check: HealthCheck, checked: Checked, uid: int) -> tuple[Optional[int], bytes]:
    """The exit status, None where it had to be ended, and the beginning of what it said. Raises OSError where it cannot be started."""
    read_end, write_end = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    os.set_blocking(write_end, True)
    other = uid != os.geteuid()
    output = _Output(read_end)
    try:
        try:
            process = await asyncio.create_subprocess_exec(
                check.script,
                *(_UNKNOWN, _UNKNOWN, checked.address, str(checked.port)),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=write_end,
                stderr=write_end,
                env=_environment(check, checked),
                cwd="/",
                executable=program,
                start_new_session=True,
                user=uid if other else None,
                group=NOBODY if other else None,
                extra_groups=() if other else None,
            )
        finally:
            os.close(write_end)
        try:
            status: Optional[int] = await asyncio.wait_for(process.wait(), check.timeout_ms / 1000)
        except asyncio.TimeoutError:
            status = None
        finally:
            # The program, where it still runs, and whatever it has left running in its session.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        if status is None:
            await process.wait()
        return status, output.all()
    finally:
        output.close()


def _environment(check: HealthCheck, checked: Checked) -> dict[str, str]:
    load_balancer, _slash, backend = checked.backend.partition("/")
    return {
        "PATH": _SEARCHED,
        "LC_ALL": "C.UTF-8",
        "HAPROXY_PROXY_NAME": backend,
        "HAPROXY_PROXY_ADDR": "",
        "HAPROXY_PROXY_PORT": "",
        "HAPROXY_SERVER_NAME": checked.name,
        "HAPROXY_SERVER_ADDR": checked.address,
        "HAPROXY_SERVER_PORT": str(checked.port),
        "TANDEM_LOAD_BALANCER": load_balancer,
        "TANDEM_TIMEOUT_MS": str(check.timeout_ms),
    }


class _Output:
    """What a program says: its beginning is kept, and the rest is read too, so that it does not stand still with a full pipe."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._kept = bytearray()
        asyncio.get_running_loop().add_reader(descriptor, self._read)

    def _read(self) -> None:
        try:
            data = os.read(self._descriptor, _READ_BYTES)
        except BlockingIOError:
            return
        self._kept += data[: OUTPUT_BYTES_MAX - len(self._kept)]
        if not data:
            asyncio.get_running_loop().remove_reader(self._descriptor)

    def all(self) -> bytes:
        """With what lies in the pipe still."""
        self._read()
        return bytes(self._kept).strip()

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._descriptor)
        os.close(self._descriptor)
