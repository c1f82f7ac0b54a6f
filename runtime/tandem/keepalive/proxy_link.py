"""The connection to the proxy's control socket: its end is the proxy's death, and through it the proxy learns whether this node is active."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable
from pathlib import Path

from .._paths import socket_address
from ..log import say

_RETRY_S = 0.1
_SILENCE_S = 3.0
_ANSWER_S = 5.0


class ProxyLink:
    """``on_ready(ready, reason)`` is called on every change. ``set_active`` is told again whenever the proxy has come back."""

    def __init__(self, path: Path, on_ready: Callable[[bool, str], None]) -> None:
        self._path = path
        self._on_ready = on_ready
        self._ready = False
        self._active: dict[str, bool] = {}
        self._told: dict[str, bool] = {}
        self._to_tell = asyncio.Event()
        self._settled = asyncio.Event()
        self._tasks = [asyncio.ensure_future(self._watch()), asyncio.ensure_future(self._tell())]

    def set_active(self, load_balancer: str, active: bool) -> None:
        self._active[load_balancer] = active
        self._settled.clear()
        self._to_tell.set()

    async def settle(self, within_s: float) -> None:
        """Waits until the proxy has been told everything, or cannot be."""
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._settled.wait(), within_s)

    async def quiesce(self, on: bool) -> None:
        """Has the proxy finish with its clients, or go on as before; as far as there is a proxy."""
        if self._ready:
            try:
                await asyncio.wait_for(self._put("/v1/quiesce", {"on": on}), _ANSWER_S)
            except (OSError, asyncio.IncompleteReadError, asyncio.TimeoutError, ValueError) as error:
                say("warning", f"the proxy could not finish with its clients: {error!r}")

    def close(self) -> None:
        for task in self._tasks:
            task.cancel()

    async def _watch(self) -> None:
        reason = "the proxy is not running"
        while True:
            try:
                reader, writer = await self._open("GET", "/v1/watch", b"")
                try:
                    self._told.clear()
                    reason = await self._follow(reader)
                finally:
                    writer.close()
            except asyncio.TimeoutError:  # before OSError, of which it is a kind since Python 3.11
                reason = "the proxy has stopped answering"
            except (OSError, asyncio.IncompleteReadError, ValueError):
                pass  # not running: said below
            self._change(False, reason)
            reason = "the proxy is not running"
            await asyncio.sleep(_RETRY_S)

    async def _follow(self, reader: asyncio.StreamReader) -> str:
        await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), _SILENCE_S)
        while True:
            line = await asyncio.wait_for(reader.readline(), _SILENCE_S)
            if not line:
                return "the proxy has died"
            ready = bool(json.loads(line)["ready"])
            self._change(ready, "" if ready else "the proxy is not ready")
            self._to_tell.set()

    def _change(self, ready: bool, reason: str) -> None:
        if ready != self._ready:
            self._ready = ready
            self._on_ready(ready, reason)

    async def _tell(self) -> None:
        while True:
            await self._to_tell.wait()
            self._to_tell.clear()
            untold = {name: active for name, active in self._active.items() if self._told.get(name, False) != active}
            try:
                for name, active in untold.items():
                    await asyncio.wait_for(self._put("/v1/role", {"load_balancer": name, "active": active}), _ANSWER_S)
                    self._told[name] = active
                self._settled.set()
            except (OSError, asyncio.IncompleteReadError, asyncio.TimeoutError, ValueError) as error:
                if self._ready:
                    say("warning", f"the proxy was not told who is active: {error!r}; it is told again")
                    await asyncio.sleep(_RETRY_S)
                    self._to_tell.set()
                else:
                    self._settled.set()  # a proxy that is gone holds nothing

    async def _put(self, target: str, what: dict[str, object]) -> None:
        reader, writer = await self._open("PUT", target, json.dumps(what).encode())
        try:
            status = (await reader.readuntil(b"\r\n")).split(b" ")[1]
            if status != b"200":
                raise ValueError(f"status {status.decode()}")
        finally:
            writer.close()

    async def _open(self, method: str, target: str, body: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        with socket_address(self._path) as address:
            reader, writer = await asyncio.open_unix_connection(address)
        writer.write(f"{method} {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        return reader, writer
