"""The lines of requests and sessions in the access log: what they are made of is gathered here, once they have ended."""

from __future__ import annotations

from typing import Optional, Protocol

from ...http.head import BadMessage
from ...http.request import Request
from ...http.response import Response
from ..context import Context
from ..pool.backends import BackendState
from ..pool.frontends import FrontendState
from ..pool.peer import Peer
from .access_log import Load, Timings, format_entry, request_fields, session_fields
from .placement import Placement
from .stream import ClientStream
from .tunnel import Tunnel


class Logged(Protocol):
    """An exchange, as far as this needs to know it."""

    backend: Optional[BackendState]
    began: float
    bytes_out: int
    context: Context
    frontend: FrontendState
    head_at: float
    head_s: float
    placement: Placement
    request: Request
    request_id: bytes
    response: Optional[Response]
    server_name: str
    status: int
    stream: ClientStream
    tunnelled_bytes: int
    user: bytes


def log_request(exchange: Logged, problem: str) -> None:
    """Writes its line."""
    frontend, backend, placement = exchange.frontend, exchange.backend, exchange.placement
    peer = exchange.stream.peer
    before_s = placement.queued_s + placement.connect_s
    fields = request_fields(
        client=(peer.address, peer.port),
        frontend=frontend.key,
        backend=backend.key if backend is not None else "",
        server=exchange.server_name,
        scheme=exchange.stream.passing.scheme,
        request=exchange.request,
        status=exchange.status,
        bytes_out=exchange.bytes_out + exchange.tunnelled_bytes,
        timings=Timings(
            exchange.context.reactor.now - exchange.began,
            exchange.head_s,
            placement.queued_s,
            placement.connect_s if exchange.server_name else None,
            max(0.0, exchange.head_at - exchange.began - before_s) if exchange.response is not None else None,
        ),
        retries=placement.retries,
        problem=problem,
        request_id=exchange.request_id,
        user=exchange.user,
    )
    _write(exchange.context, frontend, backend, exchange.server_name, fields)


def log_refused(stream: ClientStream, context: Context, bad: BadMessage, sent: int, head_s: float) -> None:
    """A request whose head was refused with an answer of so many bytes, and had come for so long."""
    frontend, peer = stream.frontend, stream.peer
    fields = request_fields(
        client=(peer.address, peer.port),
        frontend=frontend.key,
        scheme=stream.passing.scheme,
        request=None,
        refused=bad,
        status=bad.status,
        bytes_out=sent,
        timings=Timings(head_s, head_s),
        problem=str(bad),
    )
    _write(context, frontend, None, "", fields)


class LoggedSession(Protocol):
    """A TCP client, as far as this needs to know it."""

    backend: Optional[BackendState]
    began: float
    context: Context
    early: bytes
    frontend: FrontendState
    peer: Peer
    placement: Placement
    server_name: str


def log_session(session: LoggedSession, tunnel: Optional[Tunnel], problem: str) -> None:
    """Writes its line."""
    backend, placement = session.backend, session.placement
    fields = session_fields(
        client=(session.peer.address, session.peer.port),
        frontend=session.frontend.key,
        backend=backend.key if backend is not None else "",
        server=session.server_name,
        bytes_in=tunnel.bytes_in if tunnel is not None else len(session.early),
        bytes_out=tunnel.bytes_out if tunnel is not None else 0,
        timings=Timings(
            session.context.reactor.now - session.began,
            queue=placement.queued_s,
            connect=placement.connect_s if session.server_name else None,
        ),
        retries=placement.retries,
        problem=problem,
    )
    _write(session.context, session.frontend, backend, session.server_name, fields)


def _write(context: Context, frontend: FrontendState, backend: Optional[BackendState], server_name: str, fields: dict[str, object]) -> None:
    load = Load(len(frontend.clients))
    if backend is not None:
        server = backend.servers.get(server_name)
        load = Load(len(frontend.clients), backend.active, server.active if server is not None else 0, backend.queues.waiting)
    context.log(format_entry(frontend.config.access_log, fields, context.wall_clock(), load))
