"""A worker process: an engine, fed by the supervisor over the channel. It ends as soon as the supervisor is gone, so no orphan keeps a listener."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import socket
import traceback
from collections.abc import Sequence
from typing import Any, Optional

from .._model import Document
from ..log import LogWriter, worded
from .channel import Channel, Message, share, shared
from .engine import Engine

_LOG_FLUSH_S = 0.05
_BINDINGS_IN_PACKET = 200
_LOG_BYTES_TOGETHER = 64 * 1024


def main(channel_descriptor: int) -> int:
    """Runs until the channel ends or the supervisor says so."""
    # Ctrl-C in a terminal reaches the whole process group; the supervisor decides how workers end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise_descriptor_limit()
    new_event_loop().run_until_complete(_Worker(socket.socket(fileno=channel_descriptor)).run())
    return 0


def new_event_loop() -> asyncio.AbstractEventLoop:
    """uvloop's where it lies on the node; asyncio's otherwise."""
    try:
        import uvloop  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


def raise_descriptor_limit() -> None:
    """Each connection is a descriptor: as many as the system lets us have without asking."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class _Log:
    """Lines to standard output, written together: a busy access log must not cost a system call and a change of threads a line."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._writer = LogWriter(1)
        self._lines: list[str] = []
        self._size = 0

    def line(self, text: str) -> None:
        if not self._lines:
            self._loop.call_later(_LOG_FLUSH_S, self.flush)
        self._lines.append(text)
        self._size += len(text)
        if self._size > _LOG_BYTES_TOGETHER:
            self.flush()

    def flush(self) -> None:
        if self._lines:
            self._writer.write("".join(f"{line}\n" for line in self._lines))
            self._lines, self._size = [], 0

    def close(self) -> None:
        self.flush()
        self._writer.close()


class _Worker:
    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._held: dict[int, socket.socket] = {}
        self._bindings: dict[str, list[tuple[str, str]]] = {}  # those of the other workers, until there are backends to have them
        self._ended = asyncio.Event()

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        self._log = _Log(loop)
        self._engine = Engine(loop, log=self._log.line, warn=lambda text: self._log.line(worded("warning", text)), announce=self._announce)
        self._channel = Channel(loop, self._sock, self._message, self._ended.set)
        self._draining: Optional[asyncio.Task[None]] = None
        self._channel.send({"type": "ready"})
        await self._ended.wait()
        self._engine.close()
        self._log.close()
        self._channel.close()

    def _announce(self, backend: str, bindings: Sequence[tuple[str, str]]) -> None:
        for at in range(0, len(bindings), _BINDINGS_IN_PACKET):
            self._channel.send({"type": "bind", "bindings": {backend: bindings[at : at + _BINDINGS_IN_PACKET]}})

    def _message(self, message: Message, descriptors: list[int]) -> None:
        try:
            self._follow(message, descriptors)
        except Exception:  # noqa: BLE001
            # A worker that could not follow knows something else than the others: it ends, and a fresh one takes its place.
            self._log.line(worded("error", f"a message of the supervisor could not be followed: {traceback.format_exc()}"))
            self._ended.set()

    def _follow(self, message: Message, descriptors: list[int]) -> None:
        kind = message["type"]
        if kind == "listener":
            self._held[message["id"]] = socket.socket(fileno=descriptors[0])
        elif kind == "load":
            self._load(message, **shared(descriptors[0]))
        elif kind == "health":
            self._engine.set_health(shared(descriptors[0]))
        elif kind == "bind":
            self._engine.learn_bindings(message["bindings"])
        elif kind == "bindings":
            self._bindings = shared(descriptors[0])
        elif kind == "tell bindings":
            self._answer_with({"type": "bindings", "seq": message["seq"]}, self._engine.bindings())
        elif kind == "stats":
            self._answer_with({"type": "stats", "seq": message["seq"]}, self._engine.stats())
        elif kind == "ping":
            self._channel.send({"type": "pong"})
        elif kind == "quiesce":
            self._engine.quiesce(message["step"])
        elif kind == "drain":
            self._draining = asyncio.get_running_loop().create_task(self._drain(message["deadline_ms"] / 1000))
        else:
            self._log.line(worded("error", f"the supervisor sent a message of unknown type {kind!r}"))

    def _load(self, message: Message, document: Any, listeners: list[tuple[str, str, int, int]], health: Any) -> None:
        sockets = {(key, address, port): self._held[mark] for key, address, port, mark in listeners}
        self._engine.apply(Document.from_stored(document), sockets, message["workers"], health)
        self._engine.learn_bindings(self._bindings)  # before the first client is accepted
        self._bindings = {}
        used = {mark for *_place, mark in listeners}
        self._held = {mark: sock for mark, sock in self._held.items() if mark in used}
        self._channel.send({"type": "loaded", "seq": message["seq"]})

    def _answer_with(self, message: Message, content: Any) -> None:
        descriptor = share(content)
        self._channel.send(message, [descriptor])
        os.close(descriptor)

    async def _drain(self, deadline_s: float) -> None:
        try:
            await asyncio.wait_for(self._engine.drain(), deadline_s)
        except asyncio.TimeoutError:
            self._log.line(worded("warning", "some connections had not ended within the drain's deadline and were closed"))
        self._ended.set()
