"""tandem-proxy: the life of the service, and what is asked of it on the control socket. It carries no traffic itself.

Keepalive takes a silence of 3 s for the proxy's death, so nothing may hold its loop: what goes over all objects rests in between (``Pace``), and what
cannot rest (reading, checking and writing a whole document, status) happens in a thread, on what does not change.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import os
import signal
from collections.abc import AsyncGenerator, Sequence
from typing import Any, Optional

from ... import __version__, notify
from ..._model import ModelError
from ..._paths import Paths
from ..._states import DRAIN_STICKY, STATES
from ..._store import Store, StoreError
from ..._this_node import stated_workers, this_node
from ...control import ControlServer, Refusal
from ...core_dumps import forbid_core_dumps
from ...events import Chronicle, note
from ...log import said_aside, say
from ...observe.observatory import Observatory
from ...privileges import keep_capabilities
from ...release import release_digest
from ...supervised import say_uncaught, supervise
from ..worker.process import raise_descriptor_limit
from .in_force import InForce, NotUsed
from .moves import KeptClients, PlannedMove
from .status import Bound, Process, server_view, servers_ready, status
from .workers import Workers

_DRAIN_S = 5.0
_TICK_S = 1.0


def main(paths: Paths) -> int:
    """Runs the service until SIGTERM or SIGINT."""
    raise_descriptor_limit()
    forbid_core_dumps()
    keep_capabilities()
    with said_aside():
        return asyncio.run(Supervisor(paths).run())


class Supervisor:
    """The service. ``run`` is its life; everything else happens in its loop."""

    def __init__(self, paths: Paths) -> None:
        self.paths = paths
        self._started = False
        self._exit_status = 0
        self._watchers = 0

    async def run(self) -> int:
        self._chronicle = Chronicle(self.paths)
        with self._chronicle.kept():
            return await self._live()

    async def _live(self) -> int:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(say_uncaught)
        self._stopping = asyncio.Event()
        self._changed = asyncio.Event()
        self._asking = asyncio.Lock()  # one status at a time, however many ask: more threads would slow the loop down
        self._workers_stated = stated_workers(this_node(self.paths))
        size = worker_count(self._workers_stated)
        self._workers = Workers(
            self.paths,
            size,
            on_joined=self._worker_joined,
            on_lost=self._notify,
            on_failure=self._fail,
            on_errors=self._observe,
        )
        self._in_force = InForce(Store(self.paths), self._workers, self._fail)
        self._observatory = Observatory(self.paths, lambda: self._status({}), lambda: self._in_force.loaded, self._chronicle.recent)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        loop.add_signal_handler(signal.SIGHUP, self._in_force.look_at_certificates.set)
        self._move = PlannedMove(self._workers, lambda: [sock for _id, sock in self._in_force.listening.sockets.values()], self._http_frontends)
        self._kept = KeptClients(self._workers, self._frontends_of)
        control = ControlServer(
            self.paths.proxy_socket,
            {
                "GET /v1/status": self._status,
                "GET /v1/watch": self._watch,
                "GET /v1/forward": self._tell_forward,
                "PUT /v1/forward": self._hear_forward,
                "POST /v1/load": self._load,
                "PUT /v1/quiesce": self._quiesce,
                "PUT /v1/role": self._role,
                "PUT /v1/server": self._set_server,
                "POST /v1/server": self._look_at_server,
            },
        )
        try:
            await control.start()
        except OSError as error:
            say("error", str(error))
            return 1
        tasks = [supervise(notify.tend_watchdog(), "the watchdog", self._fail)]
        try:
            await self._workers.start()
        except OSError as error:
            say("error", f"no worker could be started: {error}")
            await control.stop()
            return 1
        tasks.append(supervise(self._chronicle.keep(), "the chronicle", self._fail))
        await self._begin()
        tasks.append(supervise(self._in_force.rebind(), "trying to bind again", self._fail))
        tasks.append(supervise(self._in_force.foresee_again(), "the watch over ports", self._fail))
        tasks.append(supervise(self._in_force.moving.follow(), "the addresses of servers by name", self._fail))
        tasks.append(supervise(self._in_force.watch_certificates(), "the watch over certificates", self._fail))
        tasks += [supervise(work, name, self._fail) for name, work in self._observatory.tasks()]
        await self._stopping.wait()
        say("info", "stopping")
        note("service", "proxy", "stops")
        self._notify()  # at once, so that the floating IPs are handed over before the listeners close
        notify.notify("STOPPING=1")
        for task in tasks[1:]:
            task.cancel()
        self._in_force.stop()
        await self._observatory.stop()
        await self._workers.stop(_DRAIN_S)
        tasks[0].cancel()
        await control.stop()
        return self._exit_status

    async def _begin(self) -> None:
        await self._in_force.start()
        self._started = True
        self._notify()
        notify.notify("READY=1")
        generation = self._in_force.document.generation
        note("service", "proxy", f"is ready, tandem {__version__}, generation {generation}")
        say("info", f"tandem-proxy {__version__} is ready, generation {generation}, {len(self._workers.pids)} workers")

    def _fail(self) -> None:
        """A part of the program has ended that must not: who started the service starts it anew, with all of its parts."""
        self._exit_status = 1
        self._stopping.set()

    # What is asked of it

    async def _load(self, body: dict[str, Any]) -> dict[str, Any]:
        try:
            new = await self._in_force.load(body.get("generation"))
        except NotUsed as error:
            note("generation", "", f"refused: {error}")
            raise Refusal(str(error), error.reasons) from None
        note("generation", "", f"generation {new.document.generation} is in use, digest {new.digest[:12]}")
        await self._observatory.follow()
        self._notify()
        await self._in_force.forwarded.settle()
        problems = sorted((*self._in_force.problems().values(), *self._in_force.forwarded.problems().values()))
        return {"generation": new.document.generation, "digest": new.digest, "problems": problems}

    async def _role(self, body: dict[str, Any]) -> dict[str, Any]:
        name, active = body.get("load_balancer"), body.get("active")
        if not isinstance(name, str) or not isinstance(active, bool):
            raise Refusal('a role is {"load_balancer": NAME, "active": true or false}')
        problems = await self._in_force.set_role(name, active)
        return {"bound": not problems, "problems": problems}

    async def _quiesce(self, body: dict[str, Any]) -> dict[str, Any]:
        """Keepalive is about to give the floating IPs up in order, or has done so; or it has handed those of a load balancer over, and keeps them."""
        if not body.get("on"):
            self._move.end()
            self._kept.end()
            return {"left": 0}
        kept = body.get("kept")
        if isinstance(kept, str):
            return {"left": await (self._kept.finish(kept) if body.get("cut") is True else self._kept.left(kept))}
        left = await self._move.begin(cut=body.get("cut") is True)
        if left is None:
            raise Refusal("it was taken back before it was done")
        say("info", f"finished with the clients before a move, {left} connections left")
        return {"left": left}

    async def _set_server(self, body: dict[str, Any]) -> dict[str, Any]:
        state, drain_sticky, by = body.get("state"), body.get("drain_sticky"), body.get("by", "")
        if state not in (None, *STATES) or drain_sticky not in (None, *DRAIN_STICKY) or not isinstance(by, str):
            raise Refusal(f"a state is one of {', '.join(STATES)}, drain_sticky one of {', '.join(DRAIN_STICKY)}, and by a text")
        try:
            changed = await self._in_force.set_state(body, state, drain_sticky, by, body.get("check") is True)
        except (ModelError, StoreError) as error:
            raise Refusal(str(error)) from None
        view = await self._look_at_server(body)
        if changed:
            about = f"{body.get('load_balancer')}/{body.get('backend')}/{body.get('name')}"
            note("operator", about, f"set to {view['admin_state']} by {by or 'nobody known'}")
        return {**view, "changed": changed}

    async def _look_at_server(self, body: dict[str, Any]) -> dict[str, Any]:
        """One server as status shows it, and whether it is drained: by all workers, which what a busy one does not say could not tell."""
        what = self._in_force
        try:
            key = what.server(body)
            sessions, complete = await self._workers.sessions(*key)
            key = what.server(body)  # it may have gone meanwhile
        except ModelError as error:
            raise Refusal(str(error)) from None
        backend = what.document.backends[key[0]]
        (server,) = [one for one in backend.members if one.name == key[1]]
        known = what.known()
        view = server_view(backend, server, known, {"sessions": sessions})
        ended = view["state"] == "down" or (complete and not sessions)
        return {**view, "drained": view["admin_state"] != "ready" and ended}

    async def _tell_forward(self, _body: dict[str, Any]) -> AsyncGenerator[dict[str, Any], None]:
        return self._in_force.forwarded.lines(self._in_force.told_to_forward)

    async def _hear_forward(self, body: dict[str, Any]) -> dict[str, Any]:
        try:
            if self._in_force.forwarded.hear(body):
                self._notify()
        except ValueError as error:
            raise Refusal(str(error)) from None
        return {}

    def _http_frontends(self) -> set[str]:
        return {key for key, frontend in self._in_force.document.frontends.items() if frontend.protocol == "http"}

    def _observe(self, errors: Sequence[tuple[str, str, int]]) -> None:
        self._in_force.observe(errors)

    def _frontends_of(self, load_balancer: str, awaited: bool) -> set[str]:
        keys = self._http_frontends() if awaited else self._in_force.document.frontends.keys()
        return {key for key in keys if key.startswith(f"{load_balancer}/")}

    async def _worker_joined(self) -> None:
        await self._in_force.tell_again()
        self._notify()

    # What it tells

    @property
    def ready(self) -> bool:
        """Whether clients would be served here: keepalive holds floating IPs only while this is so."""
        usable = self._started and self._workers.serving and not self._in_force.failure
        return usable and self._in_force.forwarded.settled and not self._stopping.is_set()

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _watch(self, _body: dict[str, Any]) -> AsyncGenerator[dict[str, Any], None]:
        async def lines() -> AsyncGenerator[dict[str, Any], None]:
            self._watchers += 1
            place = self._in_force.news.now
            try:
                while True:
                    changed = self._changed  # taken first: what changes while the line is written must not wait for the next tick
                    place, news = self._in_force.news.since(place)
                    ready = servers_ready(self._in_force.document, self._in_force.health())
                    yield {"ready": self.ready, "servers_ready": ready, **({"servers": news} if news else {})}
                    with contextlib.suppress(asyncio.TimeoutError):
                        await asyncio.wait_for(changed.wait(), _TICK_S)
            finally:
                self._watchers -= 1
                if not self._watchers:
                    self._move.end()  # keepalive has ended, perhaps in the middle of a move
                    self._kept.end()

        return lines()

    async def _status(self, _body: dict[str, Any]) -> dict[str, Any]:
        async with self._asking:
            return await self._view()

    async def _view(self) -> dict[str, Any]:
        counters = await self._workers.counters()
        # From here to the thread nothing is awaited: one moment is shown.
        what = self._in_force
        workers = (tuple(self._workers.pids), self._workers.acceleration)
        told = (self._workers_stated, self._observatory.view())
        process = Process(__version__, release_digest(), os.getpid(), self.ready, what.failure, what.loaded.digest, *workers, *told)
        bound = Bound(frozenset(what.active), frozenset(what.listening.sockets), what.problems(), what.forwarded.problems())
        known = dataclasses.replace(what.known(), checks=what.scheduler.counted(), certificates=what.loaded.pairs)
        view = functools.partial(status, process, what.document, bound, known, counters)
        return await asyncio.get_running_loop().run_in_executor(None, view)


def worker_count(stated: int) -> int:
    """As many as are stated; with 0 one per core this process may use. TANDEM_WORKERS comes before both."""
    given: Optional[str] = os.environ.get("TANDEM_WORKERS")
    return max(1, int(given)) if given and given.isdigit() else stated or len(os.sched_getaffinity(0))
