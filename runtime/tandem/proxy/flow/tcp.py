"""A client of a TCP frontend: it is placed at a server, then there is a tunnel between them.

Where servers are chosen by the name that TLS asks for, its first message is awaited, read, and passed on with the rest; nothing is decrypted.
"""

from __future__ import annotations

from typing import Optional

from ...http.body import Data
from ...wire.clienthello import HelloReader, NoHello
from ..context import Context
from ..pool.backends import BackendState
from ..pool.frontends import FrontendState
from ..pool.peer import Peer
from .answers import standing_in
from .connection import Connection, Stream
from .logged import log_session
from .placement import Placement
from .server import ServerConnection
from .tunnel import Tunnel


class TcpClient:
    """One client connection. Of what the client sends before it has a server one read is held, or a ClientHello, and no more is read."""

    backend: Optional[BackendState] = None
    _tunnel: Optional[Tunnel] = None
    early = b""
    _hello: Optional[HelloReader] = None
    _name = ""  # that TLS asks for
    server_name = ""
    _problem = ""

    def __init__(self, context: Context, frontend: FrontendState, sock: Stream, peer: Peer) -> None:
        self.context = context
        self.frontend = frontend
        self.peer, self.client = peer, peer.address
        self.connection = Connection(context, sock, self)
        self.connection.on_closed = self._closed
        self.began = context.reactor.now
        self.placement = Placement(context, self, peer)
        self.placement.pooled = False

    def begin(self) -> None:
        self.connection.begin()
        if not self.frontend.entry.admits(self.client):
            self.frontend.counters.refused += 1
            self.break_off("an ACL denies it")
        elif self.frontend.by_name and self.frontend.tls is None:
            self._hello = HelloReader()
            self.context.wheel.set(self.connection, self.context.reactor.now + self.frontend.request_s)
        else:
            self.route()

    def route(self) -> None:
        backend = self.frontend.backend_for_name(self._name)
        if backend is not None and backend.writing.falls_back:
            backend = standing_in(self.frontend, backend, self.placement, self.context.reactor.now)
        self.backend = backend
        if backend is None:
            self.unplaced("the frontend has no backend")
        else:
            self.placement.seek(backend)

    def placed(self, connection: ServerConnection, reused: bool) -> None:
        if self.placement.server is None or self.backend is None:
            raise AssertionError("placed nowhere")
        self.server_name = self.placement.server.name
        self._tunnel = Tunnel(self.context, self.frontend, self.backend.tunnel_s, self.connection, connection)
        early, self.early = self.early, b""
        self._tunnel.begin(to_server=early)

    def unplaced(self, why: str) -> None:
        # A reset, not an orderly close: the client must not take this for an empty answer.
        self.frontend.counters.refused += 1
        self.context.warn(f"frontend {self.frontend.key}: {self.client} was turned away: {why}")
        self.break_off(why)

    # The client's connection, until there is a tunnel

    def received(self, connection: Connection, data: Data) -> None:
        self.frontend.counters.bytes_in += len(data)
        self.early += bytes(data)
        hello = self._hello
        if hello is not None:
            try:
                read = hello.feed(bytes(data))
            except NoHello as error:
                self.unplaced(f"it sent what is no TLS: {error}")
                return
            if read is None:
                return
            self._hello, self._name = None, read.server_name
            self.peer.name = self._name
            self.context.wheel.clear(connection)
            connection.pause()
            self.route()
            return
        connection.pause()

    def ended(self, connection: Connection) -> None:
        if connection.broken or self._hello is not None:
            connection.close()

    def flushed(self, connection: Connection) -> None:
        """Nothing is sent to it yet."""

    def expired(self, connection: Connection, now: float) -> None:
        """Only its first message has a deadline; later the placement has one."""
        if self._hello is not None:
            self.unplaced("its first message did not come within timeouts.request")

    # Ends

    def drain(self) -> None:
        """A session cannot be asked to end."""

    def abort(self, why: str) -> None:
        self.break_off(why)

    def break_off(self, why: str) -> None:
        self._problem = why
        if self._tunnel is not None:
            self._tunnel.problem = why
        self.connection.reset()

    def _closed(self) -> None:
        tunnel, self._tunnel = self._tunnel, None
        problem = self._problem
        if tunnel is not None:
            tunnel.client_closed()
            problem = problem or tunnel.problem
        elif not problem:
            problem = "the client left before there was a server"
        if self.frontend.config.access_log != "none":
            log_session(self, tunnel, problem)
        self.placement.finish()
        self.peer.left()
        self.frontend.left(self)
