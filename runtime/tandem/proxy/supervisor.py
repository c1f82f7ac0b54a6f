"""tandem-proxy: owns the listeners, checks health, keeps the workers, and serves the control socket. It carries no traffic itself."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import time
from collections.abc import AsyncGenerator
from typing import Any, Optional

from .. import __version__, notify
from .._model import Document, ModelError, check_document, endpoints
from .._paths import Paths
from .._store import Store, StoreError
from ..control import ControlServer, Refusal
from ..log import said_aside, say
from ..release import release_digest
from .checker import Checker, describe
from .crew import Crew, WorkerRefused
from .listeners import Wanted, bind, explain, take_new_clients, wanted_listeners
from .quiesce import Quiescence
from .worker import raise_descriptor_limit

_REBIND_S = 0.05
_LOOK_AHEAD_S = 2.0
_DRAIN_S = 5.0
_TICK_S = 1.0
_MOVE_S = 2.0


def main(paths: Paths) -> int:
    """Runs the service until SIGTERM or SIGINT."""
    raise_descriptor_limit()
    with said_aside():
        return asyncio.run(Supervisor(paths).run())


class Listening:
    """The bound sockets by place; each has a number under which the workers know it. The service manager keeps them across a restart."""

    def __init__(self) -> None:
        self.sockets: dict[tuple[str, int], tuple[int, socket.socket]] = {}
        self._next = 0
        for sock in notify.kept():
            take_new_clients(sock)  # its former owner may have ended in the middle of a move
            address, port = sock.getsockname()[:2]
            self._note((address, port), sock)

    def add(self, place: tuple[str, int], sock: socket.socket) -> None:
        self._note(place, sock)
        notify.keep(_store_name(place), sock)

    def close(self, place: tuple[str, int]) -> None:
        notify.let_go(_store_name(place))
        self.sockets.pop(place)[1].close()

    def close_all(self) -> None:
        """At the end of this process's life: what the service manager keeps stays open."""
        while self.sockets:
            self.sockets.popitem()[1][1].close()

    def _note(self, place: tuple[str, int], sock: socket.socket) -> None:
        self._next += 1
        self.sockets[place] = (self._next, sock)


class Supervisor:
    """The service. ``run`` is its life; everything else happens in its loop."""

    def __init__(self, paths: Paths) -> None:
        self.paths = paths
        self.store = Store(paths)
        self.document = Document()
        self.active: set[str] = set()
        self.problems: dict[str, str] = {}  # by endpoint: why a listener is missing
        self.failure = ""  # why the document on disk is not in use
        self._listening = Listening()
        self._started = False
        self._watchers = 0
        self._active_since: dict[str, float] = {}

    async def run(self) -> int:
        loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        self._changed = asyncio.Event()
        self._turn = asyncio.Lock()  # one change at a time
        self._checker = Checker(self._health_changed)
        self._crew = Crew(self.paths, worker_count(), self._worker_joined, self._notify)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        self._quiescence = Quiescence(self._crew, lambda: [sock for _mark, sock in self._listening.sockets.values()])
        control = ControlServer(
            self.paths.proxy_socket,
            {
                "GET /v1/status": self._status,
                "GET /v1/watch": self._watch,
                "POST /v1/load": self._load,
                "PUT /v1/quiesce": self._quiesce,
                "PUT /v1/role": self._role,
            },
        )
        try:
            await control.start()
        except OSError as error:
            say("error", str(error))
            return 1
        watchdog = loop.create_task(notify.tend_watchdog())
        try:
            await self._crew.start()
        except OSError as error:
            say("error", f"no worker could be started: {error}")
            await control.stop()
            return 1
        await self._load_at_start()
        self._started = True
        self._notify()
        self._close_unwanted(wanted_listeners(self.document, self.active))  # kept from a former life, and no longer asked for
        rebinding = loop.create_task(self._rebind())
        notify.notify("READY=1")
        say("info", f"tandem-proxy {__version__} is ready, generation {self.document.generation}, {len(self._crew.pids)} workers")
        await self._stopping.wait()
        say("info", "stopping")
        self._notify()  # at once, so that the floating IPs are handed over before the listeners close
        notify.notify("STOPPING=1")
        rebinding.cancel()
        self._checker.stop()
        self._listening.close_all()
        await self._crew.stop(_DRAIN_S)
        watchdog.cancel()
        await control.stop()
        return 0

    # Documents

    async def _load_at_start(self) -> None:
        try:
            document = self._read()
            if document.generation:
                async with self._turn:
                    await self._use(document, strict=False)
        except (ModelError, StoreError) as error:
            self.failure = str(error)
            say("error", f"the document is not used: {error}")

    def _read(self) -> Document:
        document = self.store.read()
        problems = check_document(document)
        if problems:
            raise ModelError(*problems)
        return document

    async def _load(self, body: dict[str, Any]) -> dict[str, Any]:
        async with self._turn:
            try:
                document = self._read()
                wanted = body.get("generation", document.generation)
                if document.generation != wanted:
                    raise Refusal(f"generation {wanted} was asked for, but {self.paths.desired} holds {document.generation}")
                await self._use(document, strict=True)
            except ModelError as error:
                raise Refusal(str(error), tuple(str(problem) for problem in error.problems)) from None
            except (StoreError, WorkerRefused) as error:
                raise Refusal(str(error)) from None
            self.failure = ""
            self._notify()
            return {"generation": document.generation, "digest": document.digest}

    async def _use(self, document: Document, *, strict: bool) -> None:
        """Puts a document in force, all of it or nothing. ``strict``: a listener that cannot be bound is a refusal, not a problem to retry."""
        wanted = wanted_listeners(document, self.active)
        opened = self._open(wanted, strict)
        await self._checker.look_ahead(document, _LOOK_AHEAD_S)
        try:
            await self._crew.load(document, self._held(wanted), self._checker.up(document))
        except WorkerRefused as error:
            if strict:
                await self._back_to_former(opened)
                raise
            say("error", str(error))  # the worker that takes its place gets the document too
        self.document = document
        self._checker.follow(document)
        self._crew.health(self._checker.up(document))
        self._close_unwanted(wanted)

    async def _back_to_former(self, opened: list[tuple[str, int]]) -> None:
        """After a worker did not take a document: the others go back to the former one."""
        for place in opened:
            self._listening.close(place)
        self._checker.follow(self.document)
        await self._tell_workers()

    async def _tell_workers(self) -> None:
        """What is in force. Who does not take it ends, and who takes its place is told again."""
        try:
            await self._crew.load(self.document, self._held(wanted_listeners(self.document, self.active)), self._checker.up(self.document))
        except WorkerRefused as error:
            say("error", str(error))

    def _open(self, wanted: list[Wanted], strict: bool) -> list[tuple[str, int]]:
        opened: list[tuple[str, int]] = []
        reasons = []
        problems = dict(self.problems)
        places = {want.place for want in wanted}
        leaving = {place: sock for place, (_mark, sock) in self._listening.sockets.items() if place not in places}
        for want in wanted:
            if want.place in self._listening.sockets:
                continue
            try:
                self._listening.add(want.place, bind(want, leaving))
                opened.append(want.place)
                problems.pop(want.endpoint, None)
            except OSError as error:
                problems[want.endpoint] = explain(want, error)
                if strict and not self._may_be_freed(want):
                    reasons.append(problems[want.endpoint])
        if reasons:
            for place in opened:
                self._listening.close(place)
            raise Refusal("\n".join(reasons), tuple(reasons))
        self.problems = problems
        return opened

    def _may_be_freed(self, want: Wanted) -> bool:
        """Whether the address is probably held elsewhere for a moment longer, just after a move: then the document is not at fault."""
        load_balancer = want.frontend.partition("/")[0]
        return want.only_active and time.monotonic() - self._active_since.get(load_balancer, 0.0) < _MOVE_S

    def _held(self, wanted: list[Wanted]) -> list[tuple[Wanted, int, socket.socket]]:
        sockets = self._listening.sockets
        return [(want, *sockets[want.place]) for want in wanted if want.place in sockets]

    def _close_unwanted(self, wanted: list[Wanted]) -> None:
        places = {want.place for want in wanted}
        for place in [place for place in self._listening.sockets if place not in places]:
            self._listening.close(place)
        named = {want.endpoint for want in wanted}
        self.problems = {endpoint: why for endpoint, why in self.problems.items() if endpoint in named}

    # Roles

    async def _role(self, body: dict[str, Any]) -> dict[str, Any]:
        name, active = body.get("load_balancer"), body.get("active")
        if not isinstance(name, str) or not isinstance(active, bool):
            raise Refusal('a role is {"load_balancer": NAME, "active": true or false}')
        async with self._turn:
            before = set(self.active)
            (self.active.add if active else self.active.discard)(name)
            if self.active != before:
                self._active_since[name] = time.monotonic()
                say("info", f"load balancer {name}: this node is {'active' if active else 'not active'}")
                await self._settle_listeners()
        problems = [why for why in self.problems.values() if f'frontend "{name}/' in why]
        return {"bound": not problems, "problems": problems}

    async def _quiesce(self, body: dict[str, Any]) -> dict[str, Any]:
        """Keepalive is about to give the floating IPs up in order, or has done so."""
        if not body.get("on"):
            self._quiescence.end()
            return {"left": 0}
        left = await self._quiescence.begin()
        if left is None:
            raise Refusal("it was taken back before it was done")
        say("info", f"finished with the clients before a move, {left} connections left")
        return {"left": left}

    async def _settle_listeners(self) -> None:
        """Opens and closes what the roles ask for, with the document as it is."""
        wanted = wanted_listeners(self.document, self.active)
        before = set(self._listening.sockets)
        self._open(wanted, strict=False)
        places = {want.place for want in wanted}
        if set(self._listening.sockets) & places != before:
            await self._tell_workers()
        self._close_unwanted(wanted)

    async def _rebind(self) -> None:
        """Tries again what could not be bound: an address that another process, or the other node of a test, still holds."""
        while True:
            await asyncio.sleep(_REBIND_S)
            if self.problems:
                async with self._turn:
                    await self._settle_listeners()

    # Health and workers

    def _health_changed(self, backend_key: str) -> None:
        up = self._checker.up(self.document)
        if backend_key in up:
            self._crew.health({backend_key: up[backend_key]})

    async def _worker_joined(self) -> None:
        """A worker has replaced one that died: it gets what the others have."""
        async with self._turn:
            await self._tell_workers()
        self._notify()

    # What others ask

    @property
    def ready(self) -> bool:
        """Whether clients would be served here: keepalive holds floating IPs only while this is so."""
        return self._started and self._crew.serving and not self.failure and not self._stopping.is_set()

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _watch(self, _body: dict[str, Any]) -> AsyncGenerator[dict[str, Any], None]:
        async def lines() -> AsyncGenerator[dict[str, Any], None]:
            self._watchers += 1
            try:
                while True:
                    changed = self._changed  # taken first: what changes while the line is written must not wait for the next tick
                    yield {"ready": self.ready}
                    with contextlib.suppress(asyncio.TimeoutError):
                        await asyncio.wait_for(changed.wait(), _TICK_S)
            finally:
                self._watchers -= 1
                if not self._watchers:
                    self._quiescence.end()  # keepalive has ended, perhaps in the middle of a move

        return lines()

    async def _status(self, _body: dict[str, Any]) -> dict[str, Any]:
        stats = await self._crew.stats()
        document, now = self.document, time.monotonic()
        frontends = {}
        for key, frontend in document.frontends.items():
            wanted = [want for want in wanted_listeners(document, self.active) if want.frontend == key]
            problems = [self.problems[want.endpoint] for want in wanted if want.endpoint in self.problems]
            bound = [want.endpoint for want in wanted if want.place in self._listening.sockets]
            frontends[key] = {"enabled": frontend.enabled, "listening": bound, "problems": problems, **stats.get("frontends", {}).get(key, {})}
        backends = {}
        for key, backend in document.backends.items():
            counters = dict(stats.get("backends", {}).get(key, {}))
            per_server = counters.pop("servers", {})
            servers = {}
            for server in backend.servers:
                place = endpoints([server.address], server.port or backend.port)[0]
                health = describe(self._checker.health(key, server.name), backend.health_check, now)
                servers[server.name] = {"address": place, "weight": server.weight, **health, **per_server.get(server.name, {})}
            backends[key] = {**counters, "servers": servers}
        return {
            "service": "proxy",
            "version": __version__,
            "release": release_digest(),
            "pid": os.getpid(),
            "generation": document.generation,
            "digest": document.digest,
            "ready": self.ready,
            "failure": self.failure,
            "workers": [{"pid": pid} for pid in self._crew.pids],
            "load_balancers": {name: {"active": name in self.active} for name in document.load_balancers},
            "frontends": frontends,
            "backends": backends,
        }


def _store_name(place: tuple[str, int]) -> str:
    """The socket's name in the service manager's store, which allows no colon (sd_pid_notify_with_fds(3))."""
    return f"{place[0]}-{place[1]}".replace(":", "_")


def worker_count() -> int:
    """One per core this process may use, unless TANDEM_WORKERS says otherwise."""
    given: Optional[str] = os.environ.get("TANDEM_WORKERS")
    return max(1, int(given)) if given and given.isdigit() else len(os.sched_getaffinity(0))
