"""The connection to the proxy's control socket: its end is the proxy's death, and through it the proxy learns whether this node is active."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Optional

from .._paths import socket_address
from ..log import say
from ..supervised import supervise

_RETRY_S = 0.1
_SILENCE_S = 3.0
_ANSWER_S, _ANSWER_BYTES_MAX = 5.0, 65536
_KEPT_S = 2.0
# A proxy that is not there, goes away, does not answer in time, or says what makes no sense. The time-out is a kind of OSError since Python 3.11.
_NO_ANSWER = (OSError, asyncio.TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError)


def _unheard(_backend: str, _server: str, _up: bool) -> None:
    """For who does not ask."""


class ProxyLink:
    """``on_ready(ready, reason)`` is called on every change, ``on_servers(ready)`` before it and on every change of its own: whether servers could
    answer; ``on_news(backend, server, up)`` when a server went up or down. ``on_failure`` is called when the link itself breaks by an error of the
    program.

    ``set_active`` is told again whenever the proxy has come back. All waiting is the event loop's.
    """

    def __init__(
        self,
        path: Path,
        on_ready: Callable[[bool, str], None],
        on_servers: Callable[[bool], None],
        on_failure: Callable[[], None],
        on_news: Callable[[str, str, bool], None] = _unheard,
    ) -> None:
        self._path = path
        self._on_ready = on_ready
        self._on_servers = on_servers
        self._on_news = on_news
        self._ready = False
        self._servers_ready = True  # what an election takes for granted
        self._active: dict[str, bool] = {}  # what a proxy is to know; what it does not have to be told, it takes for false
        self._told: dict[str, bool] = {}  # what this very proxy has confirmed; another one begins with another dict
        self._to_tell = asyncio.Event()
        self._settled = asyncio.Event()
        self._tasks = [
            supervise(self._watch(), "the watch over the proxy", on_failure),
            supervise(self._tell(), "telling the proxy who is active", on_failure),
        ]

    def set_active(self, load_balancer: str, active: bool) -> None:
        self._active[load_balancer] = active
        self._settled.clear()
        self._to_tell.set()

    def serves(self, load_balancer: str) -> bool:
        """Whether the proxy that runs now has confirmed that this node is active for a load balancer."""
        return self._told.get(load_balancer, False)

    async def settle(self, within_s: float) -> None:
        """Waits until the proxy has confirmed everything that it was to be told, or is gone; ``within_s`` at most."""
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._settled.wait(), within_s)

    async def quiesce(self, on: bool, *, cut: bool = False) -> None:
        """Has the proxy finish with its clients, and ``cut`` off those that do not end, or go on as before; as far as there is a proxy."""
        if self._ready:
            try:
                await asyncio.wait_for(self._put("/v1/quiesce", {"on": True, "cut": cut} if on else {"on": False}), _ANSWER_S)
            except _NO_ANSWER as error:
                say("warning", f"the proxy could not finish with its clients: {error!r}")

    async def kept(self, load_balancer: str, *, finish: bool = False) -> Optional[int]:
        """How many clients of a load balancer that was handed over are still here, who end with their answers; with ``finish`` the others are ended.
        None where no proxy says so."""
        body = {"on": True, "kept": load_balancer, "cut": finish}
        if self._ready:
            try:
                return int((await asyncio.wait_for(self._put("/v1/quiesce", body), _KEPT_S))["left"])
            except (*_NO_ANSWER, LookupError, TypeError) as error:
                say("warning", f"the proxy does not say who is left of load balancer {load_balancer}: {error!r}")
        return None

    def close(self) -> None:
        for task in self._tasks:
            task.cancel()

    async def _watch(self) -> None:
        while True:
            lost = await self._follow()
            self._told = {}
            self._change(False, lost)
            await asyncio.sleep(_RETRY_S)

    async def _follow(self) -> str:
        """Follows one proxy until it is lost, and says why."""
        reason = "the proxy is not running"
        try:
            reader, writer = await asyncio.wait_for(self._open("GET", "/v1/watch", b""), _SILENCE_S)
            try:
                await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), _SILENCE_S)
                reason = "the proxy has died"
                while True:
                    line = await asyncio.wait_for(reader.readline(), _SILENCE_S)
                    if not line:
                        return reason
                    ready, servers_ready = _readiness(line)
                    if servers_ready != self._servers_ready:
                        self._servers_ready = servers_ready
                        self._on_servers(servers_ready)
                    self._change(ready, "" if ready else "the proxy is not ready")
                    for backend, server, up in _news(line):
                        self._on_news(backend, server, up)
                    self._to_tell.set()
            finally:
                writer.close()
        except asyncio.TimeoutError:
            return "the proxy has stopped answering"
        except (OSError, asyncio.IncompleteReadError):
            return reason
        except (asyncio.LimitOverrunError, ValueError) as error:
            return f"the proxy's answer makes no sense ({error})"

    def _change(self, ready: bool, reason: str) -> None:
        if ready != self._ready:
            self._ready = ready
            self._on_ready(ready, reason)

    async def _tell(self) -> None:
        while True:
            await self._to_tell.wait()
            self._to_tell.clear()
            try:
                await self._tell_all()
            except _NO_ANSWER as error:
                if self._ready:
                    say("warning", f"the proxy was not told who is active: {error!r}; it is told again")
                    await asyncio.sleep(_RETRY_S)
                    self._to_tell.set()
                    continue
                self._settled.set()  # a proxy that is gone holds nothing
                continue
            self._settled.set()

    async def _tell_all(self) -> None:
        """Tells what is not confirmed yet, and what changes while that is being told."""
        while True:
            told = self._told
            untold = [(name, active) for name, active in self._active.items() if told.get(name) != active]
            if not untold:
                return
            name, active = untold[0]
            await asyncio.wait_for(self._put("/v1/role", {"load_balancer": name, "active": active}), _ANSWER_S)
            told[name] = active
            if not active and self._active.get(name) is False:
                del self._active[name]  # also because nobody else will, when the load balancer is removed

    async def _put(self, target: str, what: dict[str, object]) -> Any:
        """The answer, as far as it is JSON."""
        reader, writer = await self._open("PUT", target, json.dumps(what).encode())
        try:
            words = (await reader.readuntil(b"\r\n")).split()
            if words[1:2] != [b"200"]:
                raise ValueError(f"it answered {b' '.join(words).decode(errors='replace')!r}")
            rest = await reader.read(_ANSWER_BYTES_MAX)
            while len(rest) < _ANSWER_BYTES_MAX and (more := await reader.read(_ANSWER_BYTES_MAX)):
                rest += more
            return json.loads(rest.partition(b"\r\n\r\n")[2] or b"{}")
        finally:
            writer.close()

    async def _open(self, method: str, target: str, body: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        with socket_address(self._path) as address:
            reader, writer = await asyncio.open_unix_connection(address)
        writer.write(f"{method} {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        return reader, writer


def _readiness(line: bytes) -> tuple[bool, bool]:
    """What one line of ``GET /v1/watch`` says of the proxy and of servers; a proxy of an earlier release says nothing of them. Raises ValueError."""
    try:
        said = json.loads(line)
        return bool(said["ready"]), bool(said.get("servers_ready", True))
    except (AttributeError, LookupError, TypeError, RecursionError):
        raise ValueError(f"{line[:80]!r}") from None


def _news(line: bytes) -> list[tuple[str, str, bool]]:
    """Which servers went up or down, by one line of ``GET /v1/watch``. Raises ValueError."""
    if b'"servers"' not in line:
        return []
    try:
        return [(str(backend), str(server), bool(up)) for backend, server, up in json.loads(line)["servers"]]
    except (LookupError, TypeError, RecursionError):
        raise ValueError(f"{line[:80]!r}") from None
