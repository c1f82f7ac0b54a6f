"""A worker process: an engine, fed by the supervisor over the channel. It ends as soon as the supervisor is gone, so no orphan keeps a listener."""

from __future__ import annotations

import functools
import itertools
import os
import resource
import signal
import socket
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Optional

from ..._model import Document
from ...balance.sticky import BINDINGS_MAX
from ...log import LogWriter, worded
from ...tls.materials import from_plain
from ..channel import Channel, Message, share, shared
from ..context import Context
from ..places import PlacesMemory
from ..reactor import READ, WRITE, Handler, Reactor
from .engine import Engine
from .rates import mapped_rates

_LOG_FLUSH_S = 0.05
_BINDINGS_IN_PACKET = 200
_BINDINGS_PACKETS_MAX = 100  # packets that may wait in the channel when bindings are sent: those are hints, and must not crowd out what is asked
_BINDINGS_LATER_S = 0.05
_LOG_BYTES_TOGETHER = 64 * 1024


def main(channel_descriptor: int, acceleration: str = "") -> int:
    """Runs until the channel ends or the supervisor says so, who is told what ``acceleration`` this process has."""
    # Ctrl-C and the end of a terminal reach the whole process group, and "systemctl kill" all of a service; the supervisor decides how workers end.
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    raise_descriptor_limit()
    _Worker(socket.socket(fileno=channel_descriptor), acceleration).run()
    return 0


def raise_descriptor_limit() -> None:
    """Each connection is a descriptor: as many as the system lets us have without asking."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class _Log:
    """Lines to standard output, written together: a busy access log must not cost a system call and a change of threads a line."""

    def __init__(self, reactor: Reactor) -> None:
        self._reactor = reactor
        self._writer = LogWriter(1)
        self._lines: list[str] = []
        self._size = 0

    def line(self, text: str) -> None:
        if not self._lines:
            self._reactor.later(_LOG_FLUSH_S, self.flush)
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


class ReactorLoop(Handler):
    """A reactor as the loop of the channel: its ``Loop``, for one descriptor."""

    __slots__ = ("_on_readable", "_on_writable", "_reactor")

    def __init__(self, reactor: Reactor, fd: int) -> None:
        Handler.__init__(self, fd)
        self._reactor = reactor
        self._on_readable: Callable[[], None] = lambda: None
        self._on_writable: Callable[[], None] = lambda: None

    def add_reader(self, _fd: int, callback: Callable[[], None], /) -> None:
        self._on_readable = callback
        self._reactor.watch(self, self.watched | READ)

    def remove_reader(self, _fd: int, /) -> None:
        self._reactor.watch(self, self.watched & ~READ)

    def add_writer(self, _fd: int, callback: Callable[[], None], /) -> None:
        self._on_writable = callback
        self._reactor.watch(self, self.watched | WRITE)

    def remove_writer(self, _fd: int, /) -> None:
        self._reactor.watch(self, self.watched & ~WRITE)

    def call_soon(self, callback: Callable[[], None], /) -> None:
        self._reactor.soon(callback)

    def readable(self) -> None:
        self._on_readable()

    def writable(self) -> None:
        self._on_writable()


class _Worker:
    def __init__(self, sock: socket.socket, acceleration: str) -> None:
        self._acceleration = acceleration
        self._held: dict[int, socket.socket] = {}
        self._pipes: list[int] = []  # by which workers wake each other, by their indexes
        self._bindings: dict[str, list[tuple[str, str]]] = {}  # those of the other workers, until there are backends to have them
        self._to_announce: dict[str, dict[str, str]] = {}  # the server's name by backend and client; of each backend no more than its table holds
        self._reactor = Reactor(on_error=self._mistake)
        self._log = _Log(self._reactor)
        context = Context(self._reactor, self._log.line, lambda text: self._log.line(worded("warning", text)))
        self._engine = Engine(context, self._announce, self._report)
        self._channel = Channel(ReactorLoop(self._reactor, sock.fileno()), sock, self._message, self._reactor.stop)

    def run(self) -> None:
        self._channel.send({"type": "ready", "acceleration": self._acceleration})
        self._reactor.run()
        self._engine.close()
        self._reactor.turn(0.0)
        self._log.close()
        self._channel.close()

    def _mistake(self, error: Exception) -> None:
        """An error of ours in one connection's work, which has ended that connection."""
        self._log.line(worded("error", "".join(traceback.format_exception(type(error), error, error.__traceback__)).rstrip()))

    def _announce(self, backend: str, bindings: Sequence[tuple[str, str]]) -> None:
        """Tells the others, once for all that come in one turn."""
        if not self._to_announce:
            self._reactor.soon(self._send_bindings)
        waiting = self._to_announce.setdefault(backend, {})
        waiting.update(bindings)
        while len(waiting) > BINDINGS_MAX:
            del waiting[next(iter(waiting))]

    def _report(self, errors: Mapping[str, Mapping[str, int]]) -> None:
        """Tells the supervisor of requests that servers have failed, in packets that fit."""
        several = [(backend, server, count) for backend, servers in errors.items() for server, count in servers.items()]
        for at in range(0, len(several), _BINDINGS_IN_PACKET):
            self._channel.send({"type": "errors", "errors": several[at : at + _BINDINGS_IN_PACKET]})

    def _send_bindings(self) -> None:
        while self._to_announce:
            if self._channel.waiting >= _BINDINGS_PACKETS_MAX:
                self._reactor.later(_BINDINGS_LATER_S, self._send_bindings)
                return
            backend, bindings = next(iter(self._to_announce.items()))
            packet = list(itertools.islice(bindings.items(), _BINDINGS_IN_PACKET))
            for client, _server in packet:
                del bindings[client]
            if not bindings:
                del self._to_announce[backend]
            self._channel.send({"type": "bind", "bindings": {backend: packet}})

    def _message(self, message: Message, descriptors: list[int]) -> None:
        try:
            self._follow(message, descriptors)
        except Exception:  # noqa: BLE001
            # A worker that could not follow knows something else than the others: it ends, and a fresh one takes its place.
            self._log.line(worded("error", f"a message of the supervisor could not be followed: {traceback.format_exc()}"))
            self._reactor.stop()

    def _follow(self, message: Message, descriptors: list[int]) -> None:
        kind = message["type"]
        if kind in ("listener", "pipes", "rates"):
            self._take(message, descriptors)
        elif kind == "load":
            self._use_places(message, descriptors[1:])
            self._load(message, **shared(descriptors[0]))
        elif kind in ("health", "addresses"):
            self._learn(kind, shared(descriptors[0]))
        elif kind == "states":
            self._engine.set_states(**shared(descriptors[0]))
            self._channel.send({"type": "loaded", "seq": message["seq"]})
        elif kind == "bind":
            self._engine.learn_bindings(message["bindings"])
        elif kind == "bindings":
            self._bindings = shared(descriptors[0])
        elif kind == "tell bindings":
            self._answer_with({"type": "bindings", "seq": message["seq"]}, self._engine.bindings())
        elif kind == "stats":
            self._show(message["seq"], self._engine.stats(), None)
        elif kind == "ping":
            self._channel.send({"type": "pong"})
        elif kind == "quiesce":
            self._engine.quiesce(message["step"], message.get("of", ""))
        elif kind == "drain":
            self._reactor.later(message["deadline_ms"] / 1000, self._drained_too_late)
            self._engine.drain(self._reactor.stop)
        else:
            self._log.line(worded("error", f"the supervisor sent a message of unknown type {kind!r}"))

    def _take(self, message: Message, descriptors: list[int]) -> None:
        if message["type"] == "listener":
            self._held[message["id"]] = socket.socket(fileno=descriptors[0])
        elif message["type"] == "pipes":
            self._pipes += descriptors
        else:
            columns = message["columns"]
            self._engine.share_rates(mapped_rates(descriptors[0], columns), message["column"], columns)

    def _use_places(self, message: Message, memory: list[int]) -> None:
        """Places that all workers count together, where there are several workers."""
        if self._engine.places is None and len(self._pipes) > 1:
            self._engine.places = PlacesMemory(message["index"], self._pipes, self._reactor, self._engine.serve_queues)
        if self._engine.places is not None:
            self._engine.places.use(memory[0])

    def _learn(self, kind: str, content: Any) -> None:
        if kind == "health":
            self._engine.set_health(content)
        else:
            self._engine.set_addresses(content["addresses"], content["health"])

    def _load(
        self,
        message: Message,
        *,
        document: Any,
        listeners: list[tuple[str, str, int, int]],
        health: Any,
        certificates: Any = None,
        passwords: Any = None,
        ticket_keys: str = "",
        said: Any = None,
        addresses: Any = None,
        rows: Any = None,
    ) -> None:
        sockets = {(key, address, port): self._held[number] for key, address, port, number in listeners}
        self._engine.apply(
            Document.from_stored(document),
            sockets,
            workers=message["workers"],
            health=health,
            certificates=from_plain(certificates or {}),
            passwords=passwords,
            ticket_keys=bytes.fromhex(ticket_keys),
            addresses=addresses,
            rows=rows,
            **(said or {}),
        )
        self._engine.learn_bindings(self._bindings)  # before the first client is accepted
        self._bindings = {}
        used = {number for *_place, number in listeners}
        self._held = {number: sock for number, sock in self._held.items() if number in used}
        # In the next turn: until this one ends, listeners that were given up are still open.
        self._reactor.soon(functools.partial(self._channel.send, {"type": "loaded", "seq": message["seq"]}))

    def _show(self, sequence: int, parts: Iterator[dict[str, Any]], ready: Optional[dict[str, Any]]) -> None:
        """Sends the counters part by part, one in a turn of the loop, so that traffic goes on between them."""
        following = next(parts, None)
        if ready is not None:
            self._answer_with({"type": "stats", "seq": sequence, "more": following is not None}, ready)
        if following is not None:
            self._reactor.soon(functools.partial(self._show, sequence, parts, following))

    def _answer_with(self, message: Message, content: Any) -> None:
        descriptor = share(content)
        self._channel.send(message, [descriptor])
        os.close(descriptor)

    def _drained_too_late(self) -> None:
        self._log.line(worded("warning", "some connections had not ended within the drain's deadline and were closed"))
        self._reactor.stop()
