"""What the proxy service has of all this: a listener for each load balancer that asks for one in the document in force, or why there is none."""

from __future__ import annotations

import asyncio
import functools
import os
import ssl
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any, Optional, Protocol

from .. import json_slices
from .._model import Document, Observing, endpoints
from .._paths import Paths
from .._store import Store, StoreError
from .._this_node import node_name
from ..events import note
from ..http.request import Request
from ..log import say
from ..pace import in_thread
from ..tls.contexts import KeyPair, ServerTerms, server_context
from ..tls.tickets import KEYS_BYTES
from . import page
from .access import Access
from .elections import Followed
from .exposition import OPENMETRICS, PROMETHEUS, prefers_openmetrics, render
from .families import View, families
from .history import STEP_S, History
from .listener import Answer, Listener, Resource, Terms, text
from .overview import overview
from .views import Gathered

_TEND_S = 1.0
_ELECTION_S = 2.0
_SAMPLE_SHARE = 20  # of the time, at most one part in so many is spent on history
_PUBLIC = frozenset(("/healthz", "/readyz"))

Pairs = Mapping[str, KeyPair]


class InForce(Protocol):
    """What the service knows of the document that it uses."""

    @property
    def document(self) -> Document: ...

    @property
    def digest(self) -> str: ...

    @property
    def pairs(self) -> Pairs: ...


@dataclass(frozen=True)
class _Wanted:
    """All that makes a listener what it is."""

    address: str
    observe: Observing
    profile: str
    pair: Optional[KeyPair]


@dataclass
class _Shown:
    wanted: _Wanted
    listener: Optional[Listener] = None
    problem: str = ""


class Observatory:
    """``status`` gives the proxy's view of itself, ``in_force`` the document that is used; ``events`` are the last ones."""

    def __init__(
        self, paths: Paths, status: Callable[[], Awaitable[View]], in_force: Callable[[], InForce], events: Iterable[Mapping[str, str]] = ()
    ) -> None:
        self._paths = paths
        self._in_force = in_force
        self._events = events
        self._gathered = Gathered(status, paths.keepalive_socket)
        self._history = History()
        self._reading = asyncio.Lock()  # the history, which is written and read in threads
        self._shown: dict[str, _Shown] = {}
        self._turn = asyncio.Lock()

    def tasks(self) -> list[tuple[str, Coroutine[Any, Any, None]]]:
        """What runs as long as the service does, by name."""
        return [("the observe listeners", self._tend()), ("the watch over the election", self._watch_election()), ("the history", self._sample())]

    async def _tend(self) -> None:
        """Follows what is in force, for ever, and tries again what could not be opened."""
        while True:
            await self.follow()
            await asyncio.sleep(_TEND_S)

    async def follow(self) -> None:
        """Listens as the document in force says. What cannot be opened is a problem that status shows, and is no reason to refuse a document."""
        async with self._turn:
            document, pairs = self._in_force().document, self._in_force().pairs
            if any(one.observe.port for one in document.load_balancers.values()):
                self._gathered.node = await in_thread(node_name, self._paths)
            wanted = {name: want for name in document.load_balancers if (want := _wanted(document, name, self._gathered.node, pairs)) is not None}
            for name, shown in list(self._shown.items()):
                if wanted.get(name) != shown.wanted:
                    del self._shown[name]
                    if shown.listener is not None:
                        await shown.listener.stop()
            for name, want in wanted.items():
                if name not in self._shown or self._shown[name].listener is None:
                    await self._open(name, want)

    async def stop(self) -> None:
        shown, self._shown = self._shown, {}
        for one in shown.values():
            if one.listener is not None:
                await one.listener.stop()

    def view(self) -> dict[str, Any]:
        """As status shows it, by load balancer."""
        return {
            name: {
                "listening": endpoints([one.wanted.address], one.wanted.observe.port) if one.listener is not None else [],
                "problems": [one.problem] if one.problem else [],
            }
            for name, one in self._shown.items()
        }

    async def _open(self, name: str, want: _Wanted) -> None:
        shown = self._shown.setdefault(name, _Shown(want))
        try:
            listener = Listener(await in_thread(self._terms, name, want))
            listener.start()
        except (OSError, ValueError, StoreError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            problem = f'load balancer "{name}": observe: {endpoints([want.address or "node"], want.observe.port)[0]}: {reason}'
            if problem != shown.problem:
                say("error", problem)
            shown.problem = problem
        else:
            shown.listener, shown.problem = listener, ""

    def _terms(self, name: str, want: _Wanted) -> Terms:
        """Raises OSError, ValueError, StoreError."""
        observe = want.observe
        if not want.address:
            raise ValueError(f'this node, "{self._gathered.node}", is none of its nodes')
        if observe.certificate and want.pair is None:
            raise ValueError(f'certificate "{observe.certificate}" cannot be used; the log of the proxy says why')
        store = Store(self._paths)
        passwords = {user.name: store.read_secret(user.password) for user in observe.users}
        access = Access([ip_network(network) for network in observe.allow], passwords, proved=bool(observe.client_ca))
        return Terms(want.address, observe.port, access, self._resources(name), _PUBLIC, _context(want))

    # What is followed

    async def _watch_election(self) -> None:
        """Notes what keepalive tells of its elections, in its words: the proxy itself is told only whether to serve."""
        followed = Followed(await self._gathered.keepalive())
        while True:
            await asyncio.sleep(_ELECTION_S)
            for event in followed.changes(await self._gathered.keepalive()):
                note(*event)

    async def _sample(self) -> None:
        """A point of history for every step, while anybody could look at it."""
        while True:
            began = time.monotonic()
            if any(one.listener is not None for one in self._shown.values()):
                views = await self._gathered.now()
                async with self._reading:
                    await in_thread(self._history.add, time.monotonic(), views.proxy)
            took_s = time.monotonic() - began
            await asyncio.sleep(max(STEP_S - took_s, _SAMPLE_SHARE * took_s))

    # What is shown

    def _resources(self, name: str) -> dict[str, Resource]:
        return {
            **{path: functools.partial(_static, Answer(200, kind, content)) for path, (kind, content) in page.FILES.items()},
            "/v1/overview": functools.partial(self._overview, name),
            "/healthz": self._healthz,
            "/readyz": functools.partial(self._readyz, name),
            "/metrics": functools.partial(self._metrics, name),
        }

    async def _healthz(self, _request: Request) -> Answer:
        return text(200, "ok")

    async def _readyz(self, name: str, _request: Request) -> Answer:
        """Whether clients of the load balancer would be served here, active or not."""
        proxy = (await self._gathered.now()).proxy
        ready = proxy["ready"] and name in proxy["load_balancers"]
        return text(200 if ready else 503, "ready" if ready else "not ready")

    async def _overview(self, name: str, _request: Request) -> Answer:
        views, digest, events = await self._gathered.now(), self._in_force().digest, list(self._events)
        async with self._reading:
            content = await in_thread(lambda: json_slices.dumps(overview(name, views, self._history, events, digest)))
        return Answer(200, "application/json", content)

    async def _metrics(self, name: str, request: Request) -> Answer:
        openmetrics = prefers_openmetrics(request.field(b"accept").decode("latin-1"))
        views = await self._gathered.now()
        content = await in_thread(lambda: render(families(name, views), openmetrics=openmetrics))
        return Answer(200, OPENMETRICS if openmetrics else PROMETHEUS, content)


async def _static(answer: Answer, _request: Request) -> Answer:
    return answer


def _wanted(document: Document, name: str, node: str, pairs: Pairs) -> Optional[_Wanted]:
    one = document.load_balancers[name]
    if not one.observe.port:
        return None
    return _Wanted(one.observed_at(node), one.observe, one.tls_profile, pairs.get(f"{name}/{one.observe.certificate}"))


def _context(want: _Wanted) -> Optional[ssl.SSLContext]:
    if want.pair is None:
        return None
    client_auth = "required" if want.observe.client_ca else "none"
    terms = ServerTerms((want.pair,), want.profile, ("http/1.1",), client_auth=client_auth, client_ca=want.observe.client_ca)
    return server_context(terms, os.urandom(KEYS_BYTES), time.time)
