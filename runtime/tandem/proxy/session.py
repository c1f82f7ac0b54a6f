"""A client's connection, whatever it speaks: finding a server, connecting with retries, waiting in the queue, tunnelling, ending.

``http.HttpSession`` and ``tcp.TcpSession`` say what is done with the connection once there is a server. All sessions of a worker read into one
buffer of 256 KiB: a read is handled before the next one begins, and what has to last is copied out of it.
"""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import TYPE_CHECKING, Optional, cast

from .endings import end_writing, reset
from .state import BackendState, FrontendState, ServerState
from .upstream import Upstream
from .wheel import Timed

if TYPE_CHECKING:
    from .engine import Engine

WRITE_HIGH_BYTES = 512 * 1024


class Session(asyncio.BufferedProtocol, Timed):
    """One accepted connection. Subclasses give ``route``, ``ready`` (a server is connected) and ``no_server`` (there is none)."""

    def __init__(self, engine: Engine, frontend: FrontendState) -> None:
        Timed.__init__(self)
        self.engine = engine
        self.frontend = frontend
        self.client, self.client_bytes = "", b""
        self.cookie = b""  # the content of the backend's cookie
        self.transport: asyncio.Transport = cast(asyncio.Transport, None)
        self.backend: Optional[BackendState] = None
        self.server: Optional[ServerState] = None
        self.upstream: Optional[Upstream] = None
        self.tried: list[ServerState] = []
        self.retries = 0
        self.tunnelling = False
        self.tunnelled_bytes = 0  # to the client
        self.client_done = False  # the client has sent its last byte
        self.writable = True
        self.problem = ""  # why we broke it off
        self._connecting: Optional[asyncio.Task[None]] = None
        self._queued = False

    # What a subclass gives

    def route(self) -> None:
        """Finds a server of the backend that the frontend's options of now choose."""
        raise NotImplementedError

    def ready(self, reused: bool) -> None:
        """``self.upstream`` is connected."""
        raise NotImplementedError

    def no_server(self, why: str) -> None:
        """No server could be had."""
        raise NotImplementedError

    def timed_out(self, now: float) -> None:
        """The deadline passed, and it was neither the queue's nor a connection attempt's."""
        raise NotImplementedError

    def received(self, data: bytes) -> None:
        """Bytes from the client, outside a tunnel."""
        raise NotImplementedError

    def upstream_received(self, data: memoryview) -> None:
        """Bytes from the server, outside a tunnel; they lie in the worker's buffer, and are gone with the next read."""
        raise NotImplementedError

    def upstream_ended(self) -> None:
        """The server closed its side, or the connection broke, outside a tunnel."""
        raise NotImplementedError

    def client_ended(self) -> bool:
        """The client closed its side, outside a tunnel; False closes the connection."""
        raise NotImplementedError

    # Finding a server

    def find_server(self, backend: BackendState) -> None:
        """Takes a server of the backend and connects to it; or waits for one; or says that there is none."""
        self.backend = backend
        now = monotonic()
        server = backend.choose(self, now)
        if server is not None:
            self.dispatch(server)
        elif not backend.may_wait(self, now):
            self.no_server("its backend is no longer stated" if backend.gone else "no server is up")
        elif backend.enqueue(self):
            self._queued = True
            self.engine.wheel.set(self, now + backend.queue_s)
        else:
            self.no_server("the queue is full")

    def queue_is_gone(self) -> None:
        """The backend that it waited for is no longer stated: it chooses again."""
        self._queued = False
        self.route()

    def dispatch(self, server: ServerState, fresh: bool = False) -> None:
        """Uses a pooled connection to the server that was taken for this session, or opens one."""
        self._queued = False
        self.server = server
        now = monotonic()
        if not fresh and server.idle:
            upstream = server.pooled(now, self.reuse_idle_s())
            if upstream is not None:
                self._attach(upstream, reused=True)
                return
        self.engine.wheel.set(self, now + server.backend.connect_s)
        self._connecting = self.engine.loop.create_task(self._connect(server))

    def reuse_idle_s(self) -> float:
        """How long a pooled connection may have lain for this session to use it; below 0: it needs one of its own."""
        return -1.0

    async def _connect(self, server: ServerState) -> None:
        upstream = Upstream(self.engine, server)
        server.counters["connects"] += 1
        try:
            await self.engine.loop.create_connection(lambda: upstream, server.address, server.port)
        except OSError as error:
            self._connecting = None
            self._connect_failed(server, error.strerror or str(error))
            return
        self._connecting = None
        if self.transport.is_closing():
            upstream.close()
            return
        self._attach(upstream, reused=False)

    def _attach(self, upstream: Upstream, reused: bool) -> None:
        self.upstream = upstream
        upstream.session = self
        if not self.writable:
            upstream.transport.pause_reading()
        self.ready(reused)

    def _connect_failed(self, server: ServerState, why: str) -> None:
        server.counters["connect_errors"] += 1
        self.again(server, f"{server.name}: {why}")

    def again(self, server: ServerState, why: str) -> None:
        """Another attempt: at another server where redispatch allows it, and else at the same; until max_retries are used up."""
        backend = server.backend
        if self.retries >= backend.config.max_retries:
            self.leave_server()
            self.no_server(why)
            return
        self.retries += 1
        server.counters["retries"] += 1
        if backend.config.redispatch or server.gone or not server.up:
            self.tried.append(server)
            self.leave_server()
            if backend.gone:
                self.route()
            else:
                self.find_server(backend)
        else:
            self.dispatch(server, fresh=True)

    def leave_server(self) -> None:
        """Gives back the place at the server."""
        server, self.server = self.server, None
        if server is not None:
            server.backend.release(server, self)

    def _looks_for_server(self) -> bool:
        """Whether the deadline is the queue's or the connection attempt's."""
        return self._queued or self._connecting is not None

    # The deadline

    def expired(self, now: float) -> None:
        if self._queued and self.backend is not None:
            self._queued = False
            self.backend.leave_queue(self)
            self.backend.queue_timeouts += 1
            self.no_server("waited too long in the queue")
        elif self._connecting is not None and self.server is not None:
            self._connecting.cancel()
            self._connecting = None
            self._connect_failed(self.server, "no connection within timeouts.connect")
        else:
            self.timed_out(now)

    def wait(self, seconds: float) -> None:
        """From now on, the deadline is so many seconds away."""
        self.engine.wheel.set(self, monotonic() + seconds)

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        address = str(peer[0]) if peer else ""
        # A dual-stack listener shows IPv4 clients as mapped IPv6 addresses (RFC 4291 2.5.5.2).
        self.client = address[7:] if address.startswith("::ffff:") and "." in address else address
        self.client_bytes = self.client.encode()
        self.transport.set_write_buffer_limits(high=WRITE_HIGH_BYTES)
        self.frontend.sessions.add(self)
        self.frontend.counters["connections_total"] += 1

    def get_buffer(self, sizehint: int) -> memoryview:
        return self.engine.buffer

    def buffer_updated(self, nbytes: int) -> None:
        data = self.engine.buffer[:nbytes]
        self.frontend.counters["bytes_in"] += nbytes
        if self.tunnelling:
            self._tunnel_to_server(data)
        else:
            self.received(bytes(data))

    def eof_received(self) -> bool:
        self.client_done = True
        if not self.tunnelling:
            return self.client_ended()
        if self.upstream is not None:
            self.upstream.end()
            if self.upstream.ended:
                self.finish_tunnel()
        return True

    def pause_writing(self) -> None:
        self.writable = False
        if self.upstream is not None:
            self.upstream.transport.pause_reading()

    def resume_writing(self) -> None:
        self.writable = True
        if self.upstream is not None:
            self.upstream.transport.resume_reading()

    def connection_lost(self, exc: Optional[Exception]) -> None:
        self.engine.wheel.clear(self)
        if self._queued and self.backend is not None:
            self._queued = False
            self.backend.leave_queue(self)
        if self._connecting is not None:
            self._connecting.cancel()
            self._connecting = None
        upstream, self.upstream = self.upstream, None
        if upstream is not None:
            if self.tunnelling and exc is not None:
                upstream.reset()
            else:
                upstream.close()
        self.leave_server()
        self.frontend.sessions.discard(self)
        self.engine.session_ended(self.frontend)

    # Both directions as they come: TCP, and HTTP after an upgrade

    def start_tunnel(self) -> None:
        self.tunnelling = True
        self.transport.resume_reading()
        self._tunnel_used()
        if self.client_done and self.upstream is not None:
            self.upstream.end()

    def _tunnel_to_server(self, data: memoryview) -> None:
        if self.upstream is not None and not self.upstream.transport.is_closing():
            self.engine.send(self.upstream.transport, data)
            self._tunnel_used()

    def tunnel_to_client(self, data: memoryview) -> None:
        self.frontend.counters["bytes_out"] += len(data)  # not at the end: it may be days away
        self.tunnelled_bytes += len(data)
        self.engine.send(self.transport, data)
        self._tunnel_used()

    def tunnel_server_ended(self) -> None:
        """The server closed its side: so does the client's, once everything has been passed on; the other direction may go on."""
        if self.client_done or self.upstream is None or self.upstream.broken:
            self.finish_tunnel()
        elif self.transport.can_write_eof():
            end_writing(self.transport)

    def finish_tunnel(self) -> None:
        if self.upstream is not None and self.upstream.broken:
            self.abort("the server broke the connection off")
        else:
            self.transport.close()

    def _tunnel_used(self) -> None:
        if self.backend is not None:
            self.engine.wheel.set(self, monotonic() + self.backend.tunnel_s)

    def upstream_writable(self) -> None:
        """The server takes bytes again after a pause."""
        self.transport.resume_reading()

    def drain(self) -> None:
        """Nothing new is wanted from this client; what is under way goes on."""

    def abort(self, why: str) -> None:
        """Ends the connection at once, with a reset."""
        self.problem = why
        reset(self.transport)
