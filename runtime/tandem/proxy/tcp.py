"""A client of a TCP frontend: bytes both ways as they come."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Optional

from .access_log import format_entry
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
        self._began = monotonic()
        self._bytes_in = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.route()

    def route(self) -> None:
        backend = self.frontend.default
        if backend is None:
            self.no_server("the frontend has no backend")
        else:
            self.find_server(backend)

    def buffer_updated(self, nbytes: int) -> None:
        self._bytes_in += nbytes
        super().buffer_updated(nbytes)

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

    def connection_lost(self, exc: Optional[Exception]) -> None:
        problem = self.problem
        if not problem and not self.tunnelling:
            problem = "the client left before there was a server"
        elif not problem and exc is not None:
            problem = "the client broke the connection off"
        if self.frontend.config.access_log == "json":
            self.engine.log(format_entry("json", self._log_fields(problem), self.engine.wall_clock()))
        super().connection_lost(exc)

    def _log_fields(self, problem: str) -> dict[str, object]:
        return {
            "client": self.client,
            "frontend": self.frontend.key,
            "backend": self.backend.key if self.backend is not None else "",
            "server": self.server.name if self.server is not None and self.tunnelling else "",
            "bytes_in": self._bytes_in,
            "bytes_out": self.tunnelled_bytes,
            "duration_ms": round((monotonic() - self._began) * 1000, 1),
            "retries": self.retries,
            "problem": problem,
        }
