"""Finds a server for one request or one session: seek, wait in the queue, connect, try again. It decides nothing about what is said there."""

from __future__ import annotations

from typing import Optional, Protocol

from ..context import Context
from ..pool.backends import BackendState
from ..pool.interfaces import Idle
from ..pool.peer import Peer
from ..pool.servers import Seeker, ServerState
from .connection import Owner
from .server import Connector, ServerConnection


class Placed(Owner, Protocol):
    """Who wants to be placed; it owns the connection that it gets."""

    def placed(self, connection: ServerConnection, reused: bool) -> None:
        """A connection to ``placement.server``; ``reused``: one from the pool."""

    def unplaced(self, why: str) -> None:
        """No server could be had."""

    def route(self) -> None:
        """The backend that was chosen is no longer stated: choose another."""

    def break_off(self, why: str) -> None:
        """What is under way is to end at once."""


class Placement(Seeker):
    """The way of one owner to a server. ``server`` is where it has a place, from the choice on until ``leave``.

    ``pooled``: an idle connection will do; ``repeatable``: and it matters little if the server closes that one in this very moment.
    """

    pooled = True
    repeatable = False
    queued_s = 0.0  # that it has waited for a server, in all
    connect_s = 0.0  # that its connection took to come about
    _since = 0.0  # it waits, or is connecting

    def __init__(self, context: Context, owner: Placed, peer: Peer) -> None:
        Seeker.__init__(self, peer.address)
        self._peer = peer
        self._context = context
        self._owner: Optional[Placed] = owner
        self.backend: Optional[BackendState] = None
        self.server: Optional[ServerState] = None
        self.retries = 0
        self._connector: Optional[Connector] = None

    @property
    def queued(self) -> bool:
        return self.waits_in is not None

    @property
    def seeking(self) -> bool:
        """Whether it waits: for a place, or for a connection."""
        return self.waits_in is not None or self._connector is not None

    def seek(self, backend: BackendState) -> None:
        """Takes a server of the backend and connects to it; or waits for one; or says that there is none."""
        self.backend = backend
        now = self._context.reactor.now
        server = backend.choose(self, now)
        if server is not None:
            self.take_place(server)
        elif not backend.may_wait(self, now):
            self._unplaced("its backend is no longer stated" if backend.gone else "no server is up")
        elif backend.enqueue(self, now):
            self._since = now
            self._context.wheel.set(self, now + backend.queue_s)
        else:
            self._unplaced("the queue is full")

    def take_place(self, server: ServerState) -> None:
        self.server = server
        if self.slot:
            self._context.wheel.clear(self)  # the queue's
            waited = self._context.reactor.now - self._since
            self.queued_s += waited
            if self.backend is not None:
                self.backend.latency.queue.add(waited)
        owner = self._owner
        if self.pooled and server.idle and owner is not None:
            connection = self._idle(server)
            if isinstance(connection, ServerConnection):
                connection.owner = owner
                owner.placed(connection, True)
                return
        self.connect(server)

    def _idle(self, server: ServerState) -> Optional[Idle]:
        now = self._context.reactor.now
        return self._peer.take(server, now, self.repeatable) if server.header else server.pooled(now, self.repeatable)

    def connect(self, server: ServerState) -> None:
        """Opens a connection to the server where it has its place."""
        owner = self._owner
        if owner is None:
            raise AssertionError("a connection for nobody")
        server.counters.connects += 1
        self._since = self._context.reactor.now
        try:
            whose = self._peer if server.header else None
            self._connector = Connector(self._context, server, owner, self._connected, whose, opaque=not self.pooled)
        except OSError as error:
            # Not from here: a backend of many servers that fail at once must not nest as many calls.
            why = f"{server.name}: {error.strerror or error}"
            self._context.reactor.soon(lambda: self._cannot_connect(server, why))
            return
        if self.backend is not None:
            self._context.wheel.set(self, self._context.reactor.now + self.backend.connect_s)

    def retry(self, server: ServerState, why: str) -> None:
        """Another attempt: at another server where redispatch allows it, and else at the same; until max_retries are used up."""
        backend = self.backend
        if backend is None:
            raise AssertionError("a retry without a backend")
        if self.retries >= backend.config.max_retries:
            self.leave()
            self._unplaced(why)
            return
        self.retries += 1
        server.counters.retries += 1
        if not (backend.config.redispatch or server.gone or not server.up):
            self.connect(server)
            return
        self.tried = (*self.tried, server)
        self.leave()
        if backend.gone:
            self.choose_again()
        else:
            self.seek(backend)

    def answered(self, began: float, head_at: float) -> None:
        """The answer to a request is complete, whose head was there at ``head_at``."""
        if self.backend is not None:
            self.backend.latency.answered(head_at - began, self._context.reactor.now - began)

    def leave(self) -> None:
        """Gives up what it has, or waits for: the place at the server, the place in the queue, the attempt to connect."""
        if self._connector is not None:
            self._connector.cancel()
            self._connector = None
        if self.waits_in is not None and self.backend is not None:
            self.queued_s += self._context.reactor.now - self._since
            self.backend.leave_queue(self)
        if self.slot:
            self._context.wheel.clear(self)
        server, self.server = self.server, None
        if server is not None and self.backend is not None:
            self.backend.release(server, self, self._context.reactor.now)

    def finish(self) -> None:
        """``leave``, for good: the owner is told nothing more, and forgotten, so that neither keeps the other in memory."""
        server, backend, self._owner = self.server, self.backend, None
        if server is not None and backend is not None and self._connector is None and not self.slot:
            # Nearly always: it has a place, and waits for nothing.
            self.server = None
            backend.release(server, self, self._context.reactor.now)
        else:
            self.leave()

    def choose_again(self) -> None:
        if self._owner is not None:
            self._owner.route()

    def break_off(self, why: str) -> None:
        if self._owner is not None:
            self._owner.break_off(why)

    def _unplaced(self, why: str) -> None:
        if self._owner is not None:
            self._owner.unplaced(why)

    def expired(self, now: float) -> None:
        server = self.server
        if self.waits_in is not None and self.backend is not None:
            self.backend.leave_queue(self)
            self.backend.queue_timeouts += 1
            self.queued_s += now - self._since
            self._unplaced("waited too long in the queue")
        elif self._connector is not None and server is not None:
            self._connector.cancel()
            self._connector = None
            self._cannot_connect(server, f"{server.name}: no connection within timeouts.connect")

    def failed(self, error: Exception) -> None:
        self.leave()
        self.break_off("an error of ours")

    def _connected(self, connection: Optional[ServerConnection], why: str) -> None:
        self._connector = None
        server, owner = self.server, self._owner
        if server is None or owner is None:
            raise AssertionError("connected to a server without a place there")
        if connection is None:
            self._cannot_connect(server, f"{server.name}: {why}")
            return
        self._context.wheel.clear(self)
        self.connect_s = self._context.reactor.now - self._since
        if self.backend is not None:
            self.backend.latency.connect.add(self.connect_s)
        owner.placed(connection, False)

    def _cannot_connect(self, server: ServerState, why: str) -> None:
        if self.server is not server:
            return  # its owner has left meanwhile
        server.counters.connect_errors += 1
        if self.backend is not None and not self.backend.retries_connecting:
            self.leave()
            self._unplaced(why)
        else:
            self.retry(server, why)
