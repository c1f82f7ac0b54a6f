"""When a request is sent to a server once more, though one has had it: only where that can do no harm, and for the reasons that its backend names."""

from __future__ import annotations

from ...http.request import Request
from ...http.response import Response
from .connection import Connection
from .placement import Placement
from .repeat import Repeatable


def retried_for_status(response: Response, request: Request, sent: Repeatable, placement: Placement) -> bool:
    """Whether another server is asked instead of passing this answer on: as ``retry_on`` says, but for the last one, which goes out as it is."""
    backend, server = placement.backend, placement.server
    if backend is None or server is None or response.status not in backend.retry_statuses:
        return False
    if not (sent.possible and request.idempotent and placement.retries < backend.config.max_retries):
        return False
    if response.status >= 500:
        server.counters.responses_5xx += 1
    return True


def retried_for_nothing(request: Request, sent: Repeatable, placement: Placement, *, reused: bool) -> bool:
    """The same where the connection ended without a byte of an answer; ``reused``: it had carried requests before, and ended as this one came."""
    backend = placement.backend
    return sent.possible and request.idempotent and backend is not None and (reused or backend.retries_unanswered)


def ask_another(connection: Connection, placement: Placement, why: str) -> None:
    """What comes of an answer on this connection is no longer for anybody. ``why``: what its server did."""
    connection.close()
    if placement.server is not None:
        placement.retry(placement.server, f"{placement.server.name} {why}")
