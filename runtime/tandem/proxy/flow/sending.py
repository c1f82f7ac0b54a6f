"""What an exchange sends to a server where rules have a say in it, or another backend stands in."""

from __future__ import annotations

from typing import Optional, Protocol

from ...http.compression import GzipBody
from ...http.cookies import cookie_value
from ...http.head import BadMessage
from ...http.request import Request
from ...http.response import Response
from ...http.rules import NONE
from ...http.write import request_head
from ...http.writing import Rewriting
from ..context import Context
from ..pool.backends import BackendState
from ..pool.frontends import FrontendState
from .answers import standing_in
from .placement import Placement
from .repeat import Repeatable
from .stream import ClientStream


class Sending(Protocol):
    """An exchange, as far as this needs to know it."""

    backend: Optional[BackendState]
    context: Context
    frontend: FrontendState
    packed: Optional[GzipBody]
    placement: Placement
    request: Request
    request_id: bytes
    rewriting: Optional[Rewriting]
    stream: ClientStream

    def fail(self, status: int, why: str) -> None: ...


def seek_by_rules(exchange: Sending, sent: Repeatable, backend: BackendState) -> None:
    """Writes the head of the request and looks for a server of this backend, or of the one that stands in for it, which becomes the exchange's. A
    request whose path must not be rewritten fails.
    """
    frontend, stream, request, fields = exchange.frontend, exchange.stream, exchange.request, exchange.request.fields
    if backend.writing.falls_back:
        backend = exchange.backend = standing_in(frontend, backend, exchange.placement, exchange.context.reactor.now)
    writing = backend.writing
    exchange.placement.cookie = cookie_value(fields.cookie, writing.cookie_name) if fields.cookie and writing.cookie_name else b""
    exchange.rewriting = None
    local = stream.peer.local() if fields.lacks_host else b""
    if writing.writes or frontend.writings.writes:
        route = frontend.route_of(request, stream.client) if frontend.writings.by_route else NONE
        rules = frontend.writings.of(backend.config, writing, route)
        try:
            exchange.rewriting = Rewriting(rules, request, stream.passing, local, exchange.request_id)
        except BadMessage as bad:
            exchange.fail(bad.status, str(bad))
            return
        sent.head = exchange.rewriting.head
    else:
        sent.head = request_head(request, stream.passing, writing.own_cookie, local)
    exchange.placement.seek(backend)


def answer_by_rules(exchange: Sending, response: Response, extra: bytes) -> tuple[Response, bytes]:
    """The server's answer as it goes to the client, and the lines to add to its head, of which ``extra`` are there already."""
    backend, server = exchange.backend, exchange.placement.server
    if backend is None or server is None:
        return response, extra
    packer, after = exchange.frontend.writings.packer, b""
    if packer is not None:
        packed = packer.pack(exchange.request, response, exchange.stream.takes_chunks)
        response, extra, after, exchange.packed = packed.response, extra + packed.before, packed.after, packed.body
    if exchange.rewriting is not None:
        response, extra = exchange.rewriting.answer(response, extra, server.mark)
    extra += after
    if backend.writing.own_cookie:
        extra += backend.cookie_to_set(server, exchange.placement.cookie, exchange.context.wall_clock(), exchange.stream.passing.scheme)
    return response, extra
