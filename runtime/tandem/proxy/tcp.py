"""A client of a TCP frontend: bytes both ways as they come."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .session import Session

if TYPE_CHECKING:
    import asyncio


class TcpSession(Session):
    """Connects to a server first and reads nothing from the client until that stands, so nothing has to be kept."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.transport.pause_reading()
        backend = self.frontend.default
        if backend is None:
            self.no_server("the frontend has no backend")
        else:
            self.find_server(backend)

    def ready(self, reused: bool) -> None:
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
