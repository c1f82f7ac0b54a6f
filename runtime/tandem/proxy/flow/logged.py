"""An exchange's line in the access log."""

from __future__ import annotations

from typing import Optional, Protocol

from ...http.request import Request
from ..context import Context
from ..pool.backends import BackendState
from ..pool.frontends import FrontendState
from .access_log import format_entry, request_fields
from .placement import Placement
from .stream import ClientStream


class Logged(Protocol):
    """An exchange, as far as this needs to know it."""

    backend: Optional[BackendState]
    began: float
    bytes_out: int
    context: Context
    frontend: FrontendState
    placement: Placement
    request: Request
    request_id: bytes
    server_name: str
    status: int
    stream: ClientStream
    tunnelled_bytes: int
    user: bytes


def log_request(exchange: Logged, problem: str) -> None:
    """Writes it."""
    context, frontend, backend = exchange.context, exchange.frontend, exchange.backend
    entry = request_fields(
        client=exchange.stream.client,
        frontend=frontend.key,
        backend=backend.key if backend is not None else "",
        server=exchange.server_name,
        request=exchange.request,
        status=exchange.status,
        bytes_out=exchange.bytes_out + exchange.tunnelled_bytes,
        duration_s=context.reactor.now - exchange.began,
        retries=exchange.placement.retries,
        problem=problem,
        request_id=exchange.request_id,
        user=exchange.user,
    )
    context.log(format_entry(frontend.config.access_log, entry, context.wall_clock()))
