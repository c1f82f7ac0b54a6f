"""A client of a TCP frontend: bytes both ways as they come."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .session import Session

if TYPE_CHECKING:
    import asyncio

    from .engine import Engine
    from .state import FrontendState


class TcpSession(Session):
    """Connects to a server first. Of what the client sends until then one read is held, and no more is read.

    Pausing in ``connection_made`` would be simpler, but asyncio before Python 3.11 begins to read after it all the same.
    """

    def __init__(self, engine: Engine, frontend: FrontendState) -> None:
        super().__init__(engine, frontend)
        self._early = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        backend = self.frontend.default
        if backend is None:
            self.no_server("the frontend has no backend")
        else:
            self.find_server(backend)

    def received(self, data: bytes) -> None:
        self._early += data
        self.transport.pause_reading()

    def ready(self, reused: bool) -> None:
        early, self._early = self._early, b""
        if early and self.upstream is not None:
            self.upstream.transport.write(early)
        self.start_tunnel()

    def no_server(self, why: str) -> None:
        # A reset, not an orderly close: the client must not take this for an empty answer.
        self.frontend.counters["refused"] += 1
        self.engine.log_problem(f"frontend {self.frontend.key}: {self.client} was turned away: {why}")
        self.abort(why)

    def timed_out(self, now: float) -> None:
        self.abort("timeouts.tunnel")

    def client_ended(self) -> bool:
        return True
