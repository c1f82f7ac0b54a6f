"""Bytes both ways as they come, between a client and a server: TCP, and HTTP after a switch of protocols."""

from __future__ import annotations

from ...http.body import Data
from ..context import Context
from ..pool.frontends import FrontendState
from .connection import UNLIMITED, Connection

# Once one side has ended, the other may be silent for so long (seconds): it may have vanished, and the side that ended would not notice.
HALF_CLOSED_S = 60.0


class Tunnel:
    """Owns both connections. It is over when the client's is closed; its owner then calls ``client_closed``.

    ``problem`` says why it broke off; "" after an orderly end.
    """

    def __init__(self, context: Context, frontend: FrontendState, silence_s: float, client: Connection, server: Connection) -> None:
        self._context = context
        self._counters = frontend.counters
        self._silence_s = silence_s
        self._client = client
        self._server = server
        self.bytes_in = 0
        self.bytes_out = 0
        self.problem = ""

    def begin(self, to_client: bytes = b"", to_server: bytes = b"") -> None:
        """``to_...``: what each side sent before there was a tunnel."""
        for connection, other in ((self._client, self._server), (self._server, self._client)):
            connection.owner = self
            connection.read_in_bulk(UNLIMITED, other.plain)
        if to_server:
            self._pass(self._client, self._server, to_server)
        if to_client:
            self._pass(self._server, self._client, to_client)
        for connection, other in ((self._client, self._server), (self._server, self._client)):
            if not other.blocked:
                connection.resume()
            if connection.read_ended:
                other.end()
        self._used()

    def received(self, connection: Connection, data: Data) -> None:
        if connection is self._client:
            self._counters.bytes_in += len(data)
            self._pass(connection, self._server, data)
        else:
            self._pass(connection, self._client, data)
        self._used()

    def _pass(self, source: Connection, target: Connection, data: Data) -> None:
        if target is self._client:
            self._counters.bytes_out += len(data)  # not at the end: it may be days away
            self.bytes_out += len(data)
        else:
            self.bytes_in += len(data)
        target.send(data)
        if target.blocked:
            source.pause()

    def flushed(self, connection: Connection) -> None:
        self._other(connection).resume()
        self._used()

    def ended(self, connection: Connection) -> None:
        """One side has sent its last byte: so has ours to the other side, once all is passed on. The other direction may go on."""
        other = self._other(connection)
        if connection.broken:
            self.problem = f"the {'client' if connection is self._client else 'server'} broke the connection off"
            self._client.reset()
            return
        other.end()
        if other.read_ended:
            self._client.close()
        else:
            self._used()

    def expired(self, connection: Connection, now: float) -> None:
        if self._client.reads_on() or self._server.reads_on():
            self._used()  # one that takes slowly what the kernel still holds
            return
        self.problem = "timeouts.tunnel" if not (self._client.read_ended or self._server.read_ended) else "silence after one side had ended"
        self._client.reset()

    def client_closed(self) -> None:
        """The client's connection is closed: so is the server's, in the same manner."""
        if self.problem:
            self._server.reset()
        else:
            self._server.close()

    def _used(self) -> None:
        silence_s = self._silence_s
        if self._client.read_ended or self._server.read_ended:
            silence_s = min(silence_s, HALF_CLOSED_S)
        self._context.wheel.set(self._client, self._context.reactor.now + silence_s)

    def _other(self, connection: Connection) -> Connection:
        return self._server if connection is self._client else self._client
