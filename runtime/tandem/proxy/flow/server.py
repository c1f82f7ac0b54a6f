"""A connection to a server: how it is made, and how it lies in the pool between two requests."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable
from typing import Optional

from ...http.body import Body, Data, OpenBody, SizedBody
from ...http.chunked import ChunkedBody
from ...http.head import HeadBuffer
from ...http.request import Request
from ...http.response import Response, read_response
from ...tls.stream import TlsStream
from ..context import Context
from ..pool.peer import Peer
from ..pool.servers import IDLE_S, Place, ServerState
from ..reactor import READ, WRITE, Handler
from .connection import UNLIMITED, Connection, Owner, Stream
from .keepalives import set_probes

_BULK_BYTES = 65536  # from here on a body is read in bulk


class ServerConnection(Connection):
    """``former`` is the head of the answer before, ``heads`` what has come of the next one. Used by one owner at a time, idle in between.

    ``whose``: the one client that it may be used for, whom the server takes it for (PROXY protocol); None where the server does not know.
    """

    __slots__ = ("former", "heads", "idle_since", "place", "server", "spoiled", "whose")

    def __init__(self, context: Context, sock: Stream, owner: Owner, server: ServerState, place: Place, *, whose: Optional[Peer] = None) -> None:
        Connection.__init__(self, context, sock, owner)
        self.server = server
        self.place = place
        self.whose = whose
        self.heads = HeadBuffer(requests=False)
        self.former: Optional[Response] = None
        self.idle_since = 0.0
        self.spoiled = False  # more came than was promised: the rest is nobody's answer

    @property
    def may_go_on(self) -> bool:
        """Whether neither side has ended it."""
        return not (self.read_ended or self.broken or self.closed or self.spoiled)

    @property
    def usable(self) -> bool:
        """Whether it may carry another request."""
        return not (self.blocked or self.read_ended or self.broken or self.closed or self.spoiled)

    def read_head(self, data: bytes, request: Request) -> Optional[Response]:
        """The head of the next answer, to this request; None while it is not whole. What came after it is in ``heads.rest``. Raises BadMessage."""
        raw = self.heads.take(data)
        if not raw:
            return None
        if not request.fields.minor:
            # For a client of HTTP/1.0 fields are cut that the next client gets.
            self.former = None
            return read_response(raw, request.method)
        self.former = read_response(raw, request.method, self.former)
        return self.former

    def body_of(self, response: Response, came: int, framed: bool, to_plain: bool) -> Body:
        """What follows the body of this answer, of which ``came`` bytes are here. ``framed``: chunks are passed on as such, else as the bare content;
        ``to_plain``: to a connection that is ``plain``."""
        if response.chunked:
            if not framed:
                response.cut_fields({b"transfer-encoding"})
            return ChunkedBody(framed=framed, padded=True)
        if response.until_close:
            self.read_in_bulk(UNLIMITED, to_plain)
            return OpenBody()
        if response.length - came > _BULK_BYTES:
            self.read_in_bulk(response.length - came, to_plain)
        return SizedBody(response.length)

    def to_pool(self) -> None:
        """Its user is done with it, and it is in a known state: between two messages."""
        now = self.context.reactor.now
        self.owner = _IDLE
        if self._tls is not None and not self.idle_since and self.place == self.server.place:
            # Not before: in TLS 1.3 the ticket comes after the handshake. And not of a former place, whose session no other context takes.
            self.server.session = self._tls.tls.session
        self.idle_since = now
        whose = self.whose
        if not self.usable or self.context.draining or (whose is not None and whose.gone) or not self.server.lend_back(self, self.place):
            self.close()
            return
        if whose is not None:
            whose.keep(self.server, self)
        self.bulk = 0
        self.resume()  # the last client may have been slow
        if not self.slot:  # else it is looked at soon enough, and put off
            self.context.wheel.set(self, now + IDLE_S)


class _Idle:
    """The owner of those that lie in the pool. It has no state of its own."""

    def received(self, connection: Connection, data: Data) -> None:
        # Bytes nobody asked for: whatever they are, they must not become the answer to the next request.
        if isinstance(connection, ServerConnection) and connection in connection.server.idle:
            connection.server.idle.remove(connection)
        connection.close()

    def ended(self, connection: Connection) -> None:
        if isinstance(connection, ServerConnection):
            connection.server.lost_idle(connection, connection.context.reactor.now)
        connection.close()

    def flushed(self, connection: Connection) -> None:
        """Nothing is kept of one that lies in the pool."""

    def expired(self, connection: Connection, now: float) -> None:
        if not isinstance(connection, ServerConnection):
            return
        if now - connection.idle_since < IDLE_S:
            connection.context.wheel.set(connection, connection.idle_since + IDLE_S)
            return
        if connection in connection.server.idle:
            connection.server.idle.remove(connection)
        connection.close()


_IDLE = _Idle()


class Connector(Handler):
    """One attempt to connect, with the handshake where the server is spoken to over TLS.

    ``done(connection, why)`` is called once, later: with None and the reason if it failed. ``whose``: the client that the server is told of before
    all else; ``opaque``: what that says is passed on as it is.
    """

    __slots__ = ("_context", "_done", "_header", "_owner", "_place", "_server", "_sock", "_stream", "_whose")

    def __init__(
        self,
        context: Context,
        server: ServerState,
        owner: Owner,
        done: Callable[[Optional[ServerConnection], str], None],
        whose: Optional[Peer] = None,
        *,
        opaque: bool = False,
    ) -> None:
        """Raises OSError if it cannot even be begun."""
        self._whose = whose
        self._header = whose.header(server.header, opaque) if whose is not None else b""
        family = socket.AF_INET6 if ":" in server.address else socket.AF_INET
        self._sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
        Handler.__init__(self, self._sock.fileno())
        self._context, self._server, self._owner, self._done = context, server, owner, done
        self._place = server.place
        self._stream: Optional[TlsStream] = None
        try:
            self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if server.probes is not None:
                set_probes(self._sock, server.probes)
            failure = self._sock.connect_ex((server.address, server.port))
            if failure not in (0, errno.EINPROGRESS):
                raise OSError(failure, os.strerror(failure))
            context.reactor.watch(self, WRITE)
        except OSError:
            self._sock.close()
            raise

    def writable(self) -> None:
        if self._stream is not None:
            self._shake_hands(self._stream)
            return
        failure = self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if failure:
            self._fail(os.strerror(failure))
        elif self._header and not self._say_whose():
            self._fail("it did not take the header of the PROXY protocol")
        elif self._place[2] is None:
            self._succeed(self._sock)
        else:
            self._begin_tls()

    def readable(self) -> None:
        self.writable()

    def _say_whose(self) -> bool:
        """At once and whole, as is wanted: it is far less than a new connection takes."""
        try:
            return self._sock.send(self._header) == len(self._header)
        except OSError:
            return False

    def _begin_tls(self) -> None:
        server, tls = self._server, self._place[2]
        if tls is None:
            raise AssertionError("TLS without terms")
        session = server.session if self._place == server.place else None
        self._context.reactor.watch(self, 0)  # what OpenSSL refuses is closed at once
        try:
            self._stream = TlsStream.to_server(self._sock, tls.shared.context, tls.sni, session)
        except (OSError, ValueError) as error:
            self._fail(str(error))
            return
        self._shake_hands(self._stream)

    def _shake_hands(self, stream: TlsStream) -> None:
        tls = self._place[2]
        try:
            if not stream.handshake():
                self._context.reactor.watch(self, READ)
                return
            why = tls.why_not(stream.tls) if tls is not None else ""
        except BlockingIOError:
            self._context.reactor.watch(self, WRITE)
            return
        except OSError as error:
            why = error.strerror or str(error)
        if why:
            self._fail(why)
        else:
            self._succeed(stream)

    def _succeed(self, stream: Stream) -> None:
        connection = ServerConnection(self._context, stream, self._owner, self._server, self._place, whose=self._whose)
        self._context.reactor.hand_over(self, connection, READ)
        self._done(connection, "")

    def _fail(self, why: str) -> None:
        self.cancel()
        self._done(None, why)

    def cancel(self) -> None:
        self._context.reactor.close(self, self._sock if self._stream is None else self._stream)

    def failed(self, error: Exception) -> None:
        if self.watched:
            self._fail("an error of ours")
