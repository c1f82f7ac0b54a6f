"""What happens with a request for which no server can be had: another backend, an answer of ours, or none; and the fields of answers of ours."""

from __future__ import annotations

from typing import Optional, Protocol

from ...http.pages import Page, elsewhere, page, page_for
from ...http.request import Request
from ...http.variables import Moment, Template
from ..context import Context
from ..pool.backends import BackendState
from ..pool.frontends import FrontendState
from ..pool.servers import Seeker
from .placement import Placement
from .stream import ClientStream


class Asking(Protocol):
    """An exchange, as far as this needs to know it."""

    backend: Optional[BackendState]
    context: Context
    frontend: FrontendState
    placement: Placement
    request: Request
    request_id: bytes
    stream: ClientStream

    def break_off(self, why: str) -> None: ...

    def fail(self, status: int, why: str, page: Optional[Page] = None) -> None: ...

    def route(self) -> None: ...


def standing_in(frontend: FrontendState, backend: BackendState, seeker: Seeker, now: float) -> BackendState:
    """The backend itself, or while no server of it can be chosen the one that takes its requests (``on_all_down.backend``), and so on."""
    while backend.writing.falls_back and not backend.may_wait(seeker, now):
        other = frontend.fallback_of(backend)
        if other is None:
            break
        backend = other
    return backend


def own_fields(asking: Asking, lines: bytes) -> bytes:
    """The field lines of an answer of ours, as the frontend's rules about answers have them."""
    rules = asking.frontend.writings.own()
    if rules is None:
        return lines
    return rules.own_lines(lines, asking.request, asking.stream.passing, Moment(asking.request_id))


def error_answer(status: int, frontend: FrontendState, asking: Optional[Asking], *, page: Optional[Page], head_only: bool, date: bytes) -> bytes:
    """The whole answer with this status, and with this page or the one that there is for it. ``asking``: None where no request could be read."""
    page = page or page_for(status, frontend.writings.pages)
    return page.answer(head_only, date, page.fields if asking is None else own_fields(asking, page.fields))


def answer_instead(asking: Asking, why: str) -> None:
    """Ends a request that could not be placed: as ``on_all_down`` says, where no server of the backend can be chosen any more."""
    backend = asking.backend
    if backend is None or backend.may_wait(asking.placement, asking.context.reactor.now):
        asking.fail(503, why)
        return
    wanted = backend.config.on_all_down
    if wanted.action == "close":
        asking.break_off(why)
    elif wanted.action == "fallback" and asking.frontend.fallback_of(backend) is not None:
        asking.route()  # and there is another one
    elif wanted.action == "redirect":
        status = wanted.status or 302
        asking.fail(status, why, elsewhere(status, _location(asking, backend)))
    else:
        status = wanted.status or 503
        asking.fail(status, why, page(status, wanted.content, wanted.content_type) if wanted.content else None)


def _location(asking: Asking, backend: BackendState) -> bytes:
    frontend = asking.frontend.config
    known = {"frontend": frontend.name, "backend": backend.config.name, "port": str(frontend.port)}
    template = Template(backend.config.on_all_down.location, known)
    return template.rendered(asking.request, asking.stream.passing, Moment(asking.request_id))
