"""The inside of a worker: accepts clients on the listeners it is given and passes their traffic to servers as the document says.

It knows nothing of the supervisor; ``worker`` feeds it documents, listeners and health, and asks for its counters.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import socket
import sys
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Optional

from .._model import Document
from .http import HttpSession
from .listeners import take_new_clients
from .session import Session
from .state import Announce, BackendState, FrontendState
from .tcp import TcpSession
from .wheel import TICK_S, Wheel

READ_BYTES = 256 * 1024
_ACCEPTS_AT_ONCE = 32
_BINDINGS_TOLD_S = 1.0
_KEEPS_VIEWS = sys.version_info >= (3, 12)

ListenKey = tuple[str, str, int]  # (frontend key, address, port)
Health = Mapping[str, Mapping[str, bool]]  # up, by backend key and server name


class Engine:
    """One worker's traffic. All methods are called in its loop; ``log`` takes finished access log lines, ``warn`` everything else."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        log: Callable[[str], None],
        warn: Callable[[str], None],
        announce: Optional[Announce] = None,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self.loop = loop
        self.log = log
        self.log_problem = warn
        self.wall_clock = wall_clock
        self.buffer = memoryview(bytearray(READ_BYTES))
        self.wheel = Wheel(time.monotonic())
        self.draining = False
        self._writes_at_once = type(loop).__module__.startswith("asyncio.")
        self._announce = announce
        self._frontends: dict[str, FrontendState] = {}
        self._leaving: set[FrontendState] = set()
        self._backends: dict[str, BackendState] = {}
        self._accepting: set[asyncio.Task[Any]] = set()
        self._drained: Optional[asyncio.Future[None]] = None
        self._bindings_told = 0.0
        self._ticking = loop.call_later(TICK_S, self._tick)

    def apply(self, document: Document, listeners: Mapping[ListenKey, socket.socket], workers: int = 1, health: Optional[Health] = None) -> None:
        """The new state, from the next request on. Connections, pools, counters and bindings survive as far as their server does.

        Takes over the listeners, and closes those it had that are no longer named. ``workers``: how many share the node's limits.
        ``health`` is as for ``set_health``: the state of servers as the document has them.
        """
        # Before, so that a server that stays is not taken for down; after, for those that come.
        self.set_health(health or {})
        waiting = self._apply_backends(document, workers)
        self.set_health(health or {})
        kept = set(listeners.values())
        enabled = {key: frontend for key, frontend in document.frontends.items() if frontend.enabled}
        for key in [key for key in self._frontends if key not in enabled]:
            self._retire_frontend(self._frontends.pop(key), kept)
        for key, config in enabled.items():
            if key in self._frontends and self._frontends[key].config.protocol != config.protocol:
                self._retire_frontend(self._frontends.pop(key), kept)
            frontend = self._frontends.setdefault(key, FrontendState(key, config))
            frontend.configure(config, self._backends, workers)
        self._apply_listeners(listeners)
        for session in waiting:
            session.queue_is_gone()

    def _apply_backends(self, document: Document, workers: int) -> list[Session]:
        """Returns who waited for a backend that is no longer stated; they choose again once the new routes are in force."""
        waiting: list[Session] = []
        for key in [key for key in self._backends if key not in document.backends]:
            waiting += self._backends.pop(key).retire()
        for key, config in document.backends.items():
            if key in self._backends:
                self._backends[key].configure(config, workers)
            else:
                self._backends[key] = BackendState(key, config, workers)
                if self._announce is not None:
                    self._backends[key].announce = self._announce
        return waiting

    def _apply_listeners(self, listeners: Mapping[ListenKey, socket.socket]) -> None:
        # First all give up what they lose: a place may go from one frontend to another, and with it the socket.
        kept = set(listeners.values())
        for key, frontend in self._frontends.items():
            for place, sock in list(frontend.listeners.items()):
                if listeners.get((key, *place)) is not sock:
                    self._give_up_listener(frontend.listeners.pop(place), kept)
        for (key, address, port), sock in listeners.items():
            frontend = self._frontends[key]
            if (address, port) not in frontend.listeners:
                sock.setblocking(False)
                frontend.listeners[address, port] = sock
                if not frontend.paused:
                    self.loop.add_reader(sock.fileno(), self._accept, frontend, sock)
        for frontend in self._frontends.values():
            self._pause_or_resume(frontend)

    def set_health(self, servers: Health) -> None:
        """Who is up, by backend and server; backends that are not named keep what they have."""
        for key, health in servers.items():
            if key in self._backends:
                self._backends[key].set_health(health)

    def learn_bindings(self, bindings: Mapping[str, Iterable[Sequence[str]]]) -> None:
        """(client, server name) of sessions by source address that other workers have, by backend."""
        for key, pairs in bindings.items():
            if key in self._backends:
                self._backends[key].learn_bindings(pairs, time.monotonic())

    def bindings(self) -> dict[str, list[tuple[str, str]]]:
        """All that a worker that comes later should learn."""
        return {key: list(backend.table.entries()) for key, backend in self._backends.items() if backend.table is not None}

    def stats(self) -> dict[str, Any]:
        """Counters since the start and gauges of now, as plain integers."""
        return {
            "frontends": {key: frontend.stats() for key, frontend in self._frontends.items()},
            "backends": {key: backend.stats() for key, backend in self._backends.items()},
        }

    async def drain(self) -> None:
        """No new connections; those that stand end with their next response. Returns when all have ended."""
        self.draining = True
        for frontend in self._frontends.values():
            for sock in frontend.listeners.values():
                self._give_up_listener(sock)
            frontend.listeners.clear()
        for session in self._sessions():
            session.drain()
        for backend in self._backends.values():
            for server in backend.servers.values():
                server.close_idle()
        if self._sessions() or self._accepting:
            self._drained = self.loop.create_future()
            await self._drained

    def quiesce(self, step: str) -> None:
        """Before the address moves to another node: ``last_answers`` ends connections with their next response, ``idle`` those without a request.

        ``off`` takes it back. The listeners stay, for those who wait in them.
        """
        self.draining = step != "off"
        if step == "idle":
            for session in self._sessions():
                session.drain()

    def close(self) -> None:
        """Ends everything at once."""
        self._ticking.cancel()
        for frontend in self._frontends.values():
            for sock in frontend.listeners.values():
                self._give_up_listener(sock)
            frontend.listeners.clear()
        for session in self._sessions():
            session.abort("the worker ends")
        for backend in self._backends.values():
            backend.retire()

    def send(self, transport: asyncio.Transport, data: memoryview) -> None:
        """Writes what lies in the worker's buffer without copying it, if the transport takes it at once.

        What a transport cannot send it keeps: asyncio up to Python 3.11 copies it, later ones keep the view, and other loops may keep it always.
        """
        if not self._writes_at_once or transport.get_write_buffer_size():
            transport.write(bytes(data))  # it would be kept, and with a few bytes of it the whole buffer
            return
        transport.write(data)
        if _KEEPS_VIEWS and transport.get_write_buffer_size():
            self.buffer = memoryview(bytearray(READ_BYTES))

    def _sessions(self) -> list[Session]:
        everywhere = [*self._frontends.values(), *self._leaving]
        return [session for frontend in everywhere for session in frontend.sessions]

    def _tick(self) -> None:
        self._ticking = self.loop.call_later(TICK_S, self._tick)
        now = time.monotonic()
        self.wheel.advance(now)
        if now >= self._bindings_told + _BINDINGS_TOLD_S:
            self._bindings_told = now
            for backend in self._backends.values():
                backend.tell_bindings(now)

    def _accept(self, frontend: FrontendState, listener: socket.socket) -> None:
        factory = HttpSession if frontend.config.protocol == "http" else TcpSession
        for _client in range(_ACCEPTS_AT_ONCE):
            if self._pause_or_resume(frontend):
                return
            try:
                sock, _address = listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                # Out of descriptors or memory: what stands goes on; new clients wait in the kernel's queue until some have left.
                self.log_problem(f"frontend {frontend.key}: cannot accept: {error.strerror}")
                self._rest(frontend)
                return
            sock.setblocking(False)
            # asyncio does this for sockets that it made itself; without it the last small piece of an answer waits for a delayed ACK.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.draining:
                take_new_clients(sock)
            task = self.loop.create_task(self._adopt(sock, factory, frontend))
            frontend.arriving += 1
            self._accepting.add(task)
            task.add_done_callback(functools.partial(self._arrived, frontend))

    async def _adopt(self, sock: socket.socket, factory: type[Session], frontend: FrontendState) -> None:
        with contextlib.suppress(OSError):  # the client has left already
            await self.loop.connect_accepted_socket(lambda: factory(self, frontend), sock)

    def _arrived(self, frontend: FrontendState, task: asyncio.Task[None]) -> None:
        self._accepting.discard(task)
        frontend.arriving -= 1
        self.session_ended(frontend)

    def _rest(self, frontend: FrontendState) -> None:
        frontend.paused = True
        for sock in frontend.listeners.values():
            self.loop.remove_reader(sock.fileno())
        self.loop.call_later(0.1, self._pause_or_resume, frontend)

    def _pause_or_resume(self, frontend: FrontendState) -> bool:
        """Leaves new clients in the kernel's queue while max_connections are here; returns whether it does."""
        full = len(frontend.sessions) + frontend.arriving >= frontend.limit
        if full and not frontend.paused:
            frontend.paused = True
            for sock in frontend.listeners.values():
                self.loop.remove_reader(sock.fileno())
        elif frontend.paused and not full:
            frontend.paused = False
            for sock in frontend.listeners.values():
                self.loop.add_reader(sock.fileno(), self._accept, frontend, sock)
        return full

    def session_ended(self, frontend: FrontendState) -> None:
        if frontend.paused:
            self._pause_or_resume(frontend)
        if frontend.gone and not frontend.sessions:
            self._leaving.discard(frontend)
        if self._drained is not None and not self._drained.done() and not self._sessions() and not self._accepting:
            self._drained.set_result(None)

    def _retire_frontend(self, frontend: FrontendState, kept: Collection[socket.socket]) -> None:
        """``kept``: listeners that another frontend takes over."""
        frontend.gone = True
        for sock in frontend.listeners.values():
            self._give_up_listener(sock, kept)
        frontend.listeners.clear()
        if frontend.sessions:
            self._leaving.add(frontend)
        for session in list(frontend.sessions):
            session.drain()

    def _give_up_listener(self, sock: socket.socket, kept: Collection[socket.socket] = ()) -> None:
        self.loop.remove_reader(sock.fileno())
        if sock not in kept:
            sock.close()
