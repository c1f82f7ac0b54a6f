"""A connection to a server: used by one session at a time, and pooled between requests while it is whole."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import TYPE_CHECKING, Optional, cast

from .endings import end_writing, reset
from .state import IDLE_MAX, IDLE_S, ServerState
from .wheel import Timed

if TYPE_CHECKING:
    from .engine import Engine
    from .http1 import Head
    from .session import Session

_WRITE_HIGH_BYTES = 512 * 1024
_FLUSH_S = 30.0  # how long a server may take to take the last bytes


class Upstream(asyncio.BufferedProtocol, Timed):
    """``session`` is who uses it, None in the pool. ``ended``: the server sends no more; ``broken``: reset, not closed in order."""

    def __init__(self, engine: Engine, server: ServerState) -> None:
        Timed.__init__(self)
        self.engine = engine
        self.server = server
        self.address = (server.address, server.port)
        self.session: Optional[Session] = None
        self.transport: asyncio.Transport = cast(asyncio.Transport, None)
        self.former: Optional[Head] = None  # the head of the answer before
        self.ended = False
        self.broken = False
        self.writable = True
        self.idle_since = 0.0
        self._write_ended = False

    @property
    def whole(self) -> bool:
        """Whether it may carry another request."""
        return not self.ended and not self.transport.is_closing()

    def to_pool(self) -> None:
        """The session is done with it and it is in a known state: between two messages."""
        self.session = None
        server, transport = self.server, self.transport
        stale = server.gone or not server.up or self.address != (server.address, server.port)
        if stale or self.ended or len(server.idle) >= IDLE_MAX or self.engine.draining or transport.get_write_buffer_size():
            self.close()
            return
        transport.resume_reading()  # the last client may have been slow
        self.idle_since = monotonic()
        if not self.slot:  # else it is looked at soon enough, and put off
            self.engine.wheel.set(self, self.idle_since + IDLE_S)
        server.idle.append(self)

    def expired(self, now: float) -> None:
        if self.session is not None:
            return
        if self.transport.is_closing():
            self.transport.abort()
        elif now - self.idle_since < IDLE_S:
            self.engine.wheel.set(self, self.idle_since + IDLE_S)
        else:
            self._leave_pool()
            self.close()

    def end(self) -> None:
        """The client sends no more."""
        if not self._write_ended and self.transport.can_write_eof() and not self.transport.is_closing():
            self._write_ended = True
            end_writing(self.transport)

    def close(self) -> None:
        self.session = None
        self.transport.close()
        if self.transport.get_write_buffer_size():
            self.engine.wheel.set(self, monotonic() + _FLUSH_S)

    def reset(self) -> None:
        self.session = None
        reset(self.transport)

    def _leave_pool(self) -> None:
        if self in self.server.idle:
            self.server.idle.remove(self)

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(high=_WRITE_HIGH_BYTES)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self.engine.buffer

    def buffer_updated(self, nbytes: int) -> None:
        session = self.session
        if session is None:
            # Bytes nobody asked for: whatever they are, they must not become the answer to the next request.
            self._leave_pool()
            self.close()
            return
        data = self.engine.buffer[:nbytes]
        if session.tunnelling:
            session.tunnel_to_client(data)
        else:
            session.upstream_received(data)

    def eof_received(self) -> bool:
        self.ended = True
        session = self.session
        if session is None:
            self._leave_pool()
            return False
        if session.tunnelling:
            session.tunnel_server_ended()
            return True
        session.upstream_ended()
        return False

    def connection_lost(self, exc: Optional[Exception]) -> None:
        self.engine.wheel.clear(self)
        already, self.ended = self.ended, True
        self.broken = exc is not None
        session, self.session = self.session, None
        if session is None:
            self._leave_pool()
        elif session.upstream is self:
            if session.tunnelling:
                session.finish_tunnel()
            elif not already:
                session.upstream_ended()

    def pause_writing(self) -> None:
        self.writable = False
        if self.session is not None:
            self.session.transport.pause_reading()

    def resume_writing(self) -> None:
        self.writable = True
        if self.session is not None:
            self.session.upstream_writable()
