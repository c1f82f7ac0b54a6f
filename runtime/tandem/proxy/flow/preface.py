"""What comes before a client's first byte is read: the header of a proxy that is trusted to say whose a connection is (PROXY protocol), then the TLS
handshake of a frontend that has certificates. Then ``h1`` or ``tcp`` takes over.
"""

from __future__ import annotations

import contextlib
import socket
from collections import deque
from collections.abc import Callable
from typing import Optional, Protocol

from ...http.write import error_response
from ...tls.stream import TlsError, TlsStream
from ...wire.proxy_protocol import HeaderReader, NoHeader
from ..context import Context
from ..pool.frontends import FrontendState
from ..pool.peer import Peer
from ..reactor import READ, WRITE, Handler
from .connection import NO_LINGER, Connection, Stream
from .guard import HeaderGuard
from .h1 import H1Client
from .tcp import TcpClient

# An RSA signature takes a millisecond: so many steps of handshakes are made in one turn, and the others wait for the next one, so that those who are
# connected wait for this many at most.
_STEPS_IN_TURN = 4
_PEEK_BYTES = 2048


class Entering(Protocol):
    """A client, or what it goes through before it is one."""

    def begin(self) -> None: ...

    def drain(self) -> None: ...

    def abort(self, why: str) -> None: ...


class Served(Entering, Protocol):
    """A client that speaks."""

    connection: Connection


Serve = Callable[[Context, FrontendState, Stream, Peer], Served]


class Entrance:
    """Where clients come in: what each has to go through first. ``accepted`` is called with a connection that was just accepted."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._handshakes = Handshakes(context)

    def accepted(self, frontend: FrontendState, sock: socket.socket, address: str, port: int) -> None:
        peer = Peer(address, port)
        trusted = frontend.header_from
        if trusted is not None and trusted.holds(address):
            named = ProxyPreface(self._context, frontend, sock, peer, self)
            frontend.clients.add(named)
            named.begin()
            return
        stream: Stream = sock
        if trusted is not None and frontend.tls is None and frontend.config.protocol == "tcp":
            stream = HeaderGuard(sock)  # TLS and HTTP are no headers, and refuse them anyway
        if not self.enter(frontend, sock, stream, peer, None):
            sock.close()

    def enter(self, frontend: FrontendState, sock: socket.socket, stream: Stream, peer: Peer, former: Optional[ProxyPreface]) -> bool:
        """Who it is is known now. ``former`` has watched the socket so far; the socket is the caller's to close where
        the client is not let in, which is False.
        """
        if frontend.limits is not None and not (frontend.limits.enter(peer) and self._session_allowed(frontend, peer)):
            frontend.counters.limited += 1
            peer.left()
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
            return False
        serve: Serve = H1Client if frontend.config.protocol == "http" else TcpClient
        if frontend.tls is None:
            peer.stream = stream
            served = serve(self._context, frontend, stream, peer)
            self._begin(frontend, served, served.connection, former)
            return True
        try:
            preface = TlsPreface(self._context, frontend, sock, peer, handshakes=self._handshakes, serve=serve)
        except OSError:  # it has left already
            peer.left()
            return False
        self._begin(frontend, preface, preface, former)
        return True

    def _session_allowed(self, frontend: FrontendState, peer: Peer) -> bool:
        """Of TCP a session counts as a request does."""
        limits = frontend.limits
        return limits is None or frontend.config.protocol == "http" or limits.over(peer, 0, self._context.reactor.now) is None

    def _begin(self, frontend: FrontendState, client: Entering, handler: Handler, former: Optional[ProxyPreface]) -> None:
        if former is not None:
            self._context.reactor.hand_over(former, handler, READ)
            frontend.clients.discard(former)
        frontend.clients.add(client)
        client.begin()


class ProxyPreface(Handler):
    """A connection of a trusted proxy until it has said whose it is, for which it has as long as a request's head may take (``timeouts.request``).

    Bytes are taken from the socket once they are known to be the header's: what follows may be TLS, which is read from there.
    """

    __slots__ = ("_context", "_entrance", "_frontend", "_over", "_peer", "_reader", "_sock")

    def __init__(self, context: Context, frontend: FrontendState, sock: socket.socket, peer: Peer, entrance: Entrance) -> None:
        Handler.__init__(self, sock.fileno())
        self._context, self._frontend, self._sock, self._peer, self._entrance = context, frontend, sock, peer, entrance
        self._reader = HeaderReader()
        self._over = False

    def begin(self) -> None:
        self._context.reactor.watch(self, READ)
        self._context.wheel.set(self, self._context.reactor.now + self._frontend.request_s)

    def readable(self) -> None:
        try:
            seen = self._sock.recv(_PEEK_BYTES, socket.MSG_PEEK)
            used = self._reader.feed(seen) if seen else 0
            while used:
                used -= len(self._sock.recv(used))
        except BlockingIOError:
            return
        except NoHeader as error:
            self._refuse(str(error))
            return
        except OSError:
            seen = b""
        header = self._reader.header
        if not seen:
            self._close()  # it has left, as who only looks whether somebody is here
        elif header is not None:
            self._over = True
            self._context.wheel.clear(self)
            if not self._entrance.enter(self._frontend, self._sock, self._sock, self._peer.stated(header), self):
                self._over = False
                self._close()

    def _refuse(self, why: str) -> None:
        """Ends it with a reset: nobody must take this for an empty answer."""
        self._frontend.counters.proxy_headers_bad += 1
        self._context.warn(f"frontend {self._frontend.key}: {self._peer.address}, which is to say whose its connections are, sent {why}")
        with contextlib.suppress(OSError):
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
        self._close()

    def expired(self, now: float) -> None:
        self._refuse("no header within timeouts.request")

    def drain(self) -> None:
        """It is let finish; its client's first answer is the last one then."""

    def abort(self, why: str) -> None:
        self._close()

    def failed(self, error: Exception) -> None:
        self._close()

    def _close(self) -> None:
        if not self._over:
            self._over = True
            self._context.reactor.close(self, self._sock)
            self._frontend.left(self)


class Handshakes:
    """Shares the turns of a reactor among the handshakes under way. Who has to wait goes on in the order of coming, and costs nothing until then."""

    def __init__(self, context: Context) -> None:
        self._reactor = context.reactor
        self._turn = -1
        self._made = 0
        self._waiting: deque[Callable[[], bool]] = deque()

    def may_step(self) -> bool:
        """Whether one more step has room in this turn, which then counts."""
        if self._reactor.turns != self._turn:
            self._turn, self._made = self._reactor.turns, 0
        if self._made >= _STEPS_IN_TURN:
            return False
        self._made += 1
        return True

    def wait(self, step: Callable[[], bool]) -> None:
        """``step`` is called in one of the next turns, and says whether it was one: the connection may have ended."""
        self._waiting.append(step)
        if len(self._waiting) == 1:
            self._reactor.soon(self._go_on)

    def _go_on(self) -> None:
        try:
            while self._waiting and self.may_step():
                if not self._waiting.popleft()():
                    self._made -= 1
        finally:  # an error is the business of one connection
            if self._waiting:
                self._reactor.soon(self._go_on)


class TlsPreface(Handler):
    """One client until its handshake is done, for as long as a request's head may take (``timeouts.request``). ``serve`` makes what follows."""

    __slots__ = ("_context", "_frontend", "_handshakes", "_over", "_peer", "_serve", "_stream", "_waits")

    def __init__(self, context: Context, frontend: FrontendState, sock: socket.socket, peer: Peer, *, handshakes: Handshakes, serve: Serve) -> None:
        """Raises OSError."""
        tls = frontend.tls
        if tls is None:
            raise AssertionError("a handshake without certificates")
        self._stream = TlsStream.of_client(sock, tls)
        Handler.__init__(self, self._stream.fileno())
        self._context, self._frontend, self._peer = context, frontend, peer
        self._handshakes, self._serve = handshakes, serve
        self._waits = self._over = False

    def begin(self) -> None:
        if not self._frontend.entry.admits(self._peer.address):
            self._frontend.counters.refused += 1
            self._close()
            return
        self._context.reactor.watch(self, READ)
        self._context.wheel.set(self, self._context.reactor.now + self._frontend.request_s)

    def readable(self) -> None:
        if self._waits:
            return
        if self._handshakes.may_step():
            self._step()
        else:
            self._waits = True
            self._context.reactor.watch(self, 0)
            self._handshakes.wait(self._again)

    def _step(self) -> None:
        try:
            done = self._stream.handshake()
        except BlockingIOError:
            self._context.reactor.watch(self, WRITE)
            return
        except OSError as error:
            self._fail(error)
            return
        if done:
            self._hand_on()
        else:
            self._context.reactor.watch(self, READ)

    def writable(self) -> None:
        self.readable()

    def _again(self) -> bool:
        if not self._waits:
            return False
        self._waits = False
        self._step()
        return True

    def _hand_on(self) -> None:
        frontend = self._frontend
        self._over = True
        frontend.counters.handshakes += 1
        frontend.counters.handshakes_resumed += bool(self._stream.tls.session_reused)
        self._peer.stream = self._stream
        served = self._serve(self._context, frontend, self._stream, self._peer)
        self._context.wheel.clear(self)
        self._context.reactor.hand_over(self, served.connection, READ)
        frontend.clients.discard(self)
        frontend.clients.add(served)
        served.begin()

    def _fail(self, error: OSError) -> None:
        self._frontend.counters.handshakes_failed += 1
        if isinstance(error, TlsError) and error.reason == "HTTP_REQUEST" and self._frontend.config.protocol == "http":
            self._stream.send_plain(error_response(400, False, self._context.date()))
        self._close()

    def expired(self, now: float) -> None:
        self._frontend.counters.handshakes_failed += 1
        self._close()

    def drain(self) -> None:
        """It is let finish; its client's first answer is the last one then."""

    def abort(self, why: str) -> None:
        self._close()

    def failed(self, error: Exception) -> None:
        self._close()

    def _close(self) -> None:
        if not self._over:
            self._over, self._waits = True, False
            self._peer.left()
            self._context.reactor.close(self, self._stream)
            self._frontend.left(self)
