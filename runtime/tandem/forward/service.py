"""tandem-forward: the daemon. Keeps the table as the document, the proxy's checks and the node's roles want it, whoever disturbs it.

It runs only where there is something to do, which the proxy says with a file (``forward_wanted``), and ends by itself when there is nothing any more.
The table outlives it: what the kernel forwards goes on while this service is restarted.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Mapping
from typing import Any, Optional

from .. import __version__, notify
from .._client import Client, NotRunning, Refused
from .._model import Document, ModelError, check_document
from .._paths import Paths
from .._store import Store, StoreError
from .._this_node import this_node
from ..control import ControlServer
from ..core_dumps import forbid_core_dumps
from ..log import said_aside, say
from ..pace import in_thread
from ..release import release_digest
from ..supervised import say_uncaught, supervise
from . import text
from .copies import copies
from .kernel import Kernel, NotApplied
from .proxy_link import Told, follow
from .table import Table, table_name, table_of
from .target import kernel_frontends
from .view import view

_TICK_S = 2.0
_SETTLE_S = 0.02  # several changes that come together are one
_GONE_S = 1.0  # from the end of a role until its address is off for certain
_LOOK_SHARE = 20  # of the time, at most one part in so many is spent on looking at the table
_ANSWER_S = 5.0


def main(paths: Paths) -> int:
    """Runs the service until SIGTERM or SIGINT, or until there is nothing left to forward."""
    forbid_core_dumps()
    with said_aside():
        return asyncio.run(Service(paths, Kernel(table_name(paths.prefix), paths.forward_settings)).run())


class Service:
    def __init__(self, paths: Paths, kernel: Kernel) -> None:
        self._paths = paths
        self._kernel = kernel
        self._document = Document()
        self._told = Told()
        self._lost = True  # whether the proxy says nothing now
        self._table = Table()
        self._applied = False  # whether the table in the kernel is known to be this one
        self._generation = 0  # of the kernel's rules, as this service left them
        self._listing = ""
        self._look_again_at = 0.0
        self._wanted: tuple[Told, frozenset[str], Table] = (Told(), frozenset(), Table())  # the last table, after what it was made from
        self._copies = ""  # what was applied last of what copies packets to peers
        self._roles: Optional[frozenset[str]] = None  # those that this node had when they were looked at; None: never yet
        self._leaving: dict[str, float] = {}  # load balancers that this node has left, and when to look after them once more
        self._conflicts: dict[str, tuple[int, bool]] = {}  # how many load balancers have had, and whether the last one has ended
        self._serving: frozenset[int] = frozenset()  # the marks of servers whose connections may stay
        self._problem = ""
        self._reported: Optional[tuple[int, str]] = None  # what this very proxy has heard of us
        self._failed = False

    async def run(self) -> int:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(say_uncaught)
        self._ending = asyncio.Event()
        self._news = asyncio.Event()
        self._turn = asyncio.Lock()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._ending.set)
        control = ControlServer(self._paths.forward_socket, {"GET /v1/status": self._status})
        try:
            await control.start()
            watch = self._kernel.watch()
        except OSError as error:
            say("error", str(error))
            return 1
        loop.add_reader(watch, self._rules_changed, watch)
        tasks = [
            supervise(notify.tend_watchdog(), "the watchdog", self._fail),
            supervise(follow(self._paths.proxy_socket, self._hear, self._lose), "the link to the proxy", self._fail),
            supervise(self._work(), "keeping the table", self._fail),
        ]
        say("info", f"tandem-forward {__version__} is ready")
        notify.notify("READY=1")
        await self._ending.wait()
        say("info", "stopping")
        notify.notify("STOPPING=1")
        for task in tasks:
            task.cancel()
        loop.remove_reader(watch)
        watch.close()
        async with self._turn:
            await in_thread(self._leave)
        await control.stop()
        return 1 if self._failed else 0

    def _fail(self) -> None:
        self._failed = True
        self._ending.set()

    # What is heard

    def _hear(self, told: Told) -> None:
        if told != self._told or self._lost:
            self._told, self._lost = told, False
            self._news.set()

    def _lose(self) -> None:
        """Without a proxy the table stays as it is: keepalive takes the addresses away, if there is anybody else to have them."""
        self._lost, self._reported = True, None

    def _rules_changed(self, watch: Any) -> None:
        with contextlib.suppress(OSError):  # more than the socket holds: then there is news as well
            while watch.recv(65536):
                pass
        self._news.set()

    # The work

    async def _work(self) -> None:
        while True:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._news.wait(), _TICK_S)
                await asyncio.sleep(_SETTLE_S)
            self._news.clear()
            async with self._turn:
                if not await self._keep():
                    self._ending.set()
                    return

    async def _keep(self) -> bool:
        """Makes the kernel have what is wanted. False: there is nothing to do on this node, now and later."""
        told = self._told
        if not told.generation or self._lost:
            return True
        try:
            await self._read(told.generation)
            if self._document.generation != told.generation:
                return True  # the disk is about to have what the proxy has, or the other way round
            if not kernel_frontends(self._document):
                await in_thread(self._remove)
                return False
            peers = await in_thread(self._kernel.peers, {one for others in self._others().values() for one in others})
            if self._wanted[:2] != (told, peers):
                self._wanted = (told, peers, await in_thread(table_of, self._document, told.states, told.active, peers))
            await in_thread(self._put, self._wanted[2])
            unsettled = await in_thread(self._settle, self._wanted[2])
            await in_thread(self._copy, told.active, peers)
            await in_thread(self._see_off, told.active)
            await in_thread(self._look_for_conflicts, told.active)
            self._say(unsettled)
        except (NotApplied, OSError) as error:
            self._applied = False
            self._say(str(error))
        await in_thread(self._report, told.generation)
        return True

    async def _read(self, generation: int) -> None:
        if self._document.generation == generation:
            return
        try:
            document = await in_thread(self._checked)
        except (ModelError, StoreError) as error:
            say("error", f"the document is not used: {error}")
            return
        self._document = document

    def _checked(self) -> Document:
        document = Store(self._paths).read()
        problems = check_document(document)
        if problems:
            raise ModelError(*problems)
        return document

    def _put(self, want: Table) -> None:
        """Applies what differs; everything, where the table is not known, or somebody has changed it."""
        if self._applied and self._is_disturbed():
            say("warning", f"somebody has changed the table {text.FAMILY} {self._kernel.name}: it is put back")
            self._applied, self._copies = False, ""
        words = text.change(self._kernel.name, self._table, want) if self._applied else text.whole(self._kernel.name, want)
        if not words:
            return
        self._kernel.apply(words)
        self._table, self._applied = want, True
        serving = frozenset(target.mark for target in want.targets if target.serves)
        self._kernel.end(self._serving - serving)
        self._serving = serving
        self._generation, self._listing = self._kernel.generation(), self._kernel.listing()

    def _others(self) -> dict[str, list[str]]:
        """The addresses of the other nodes of each load balancer."""
        me = this_node(self._paths).get("node")
        return {name: [node.address for node in one.nodes if node.node != me] for name, one in self._document.load_balancers.items()}

    def _copy(self, active: frozenset[str], peers: frozenset[str]) -> None:
        """Without it all is served, and only clients that wait and say nothing are not found again after a takeover."""
        words = copies(self._kernel.name, self._document, active, self._others(), peers)
        if words == self._copies:
            return
        try:
            self._kernel.apply(words)
        except NotApplied as error:
            say("warning", f"peers will not know clients that only listen, after a takeover: {error}")
        self._copies = words
        self._generation, self._listing = self._kernel.generation(), self._kernel.listing()

    def _settle(self, table: Table) -> str:
        """Why the kernel does not forward, whatever the table says; "" where it does."""
        try:
            self._kernel.settle(table.versions)
        except NotApplied as error:
            return str(error)
        return ""

    def _is_disturbed(self) -> bool:
        began = time.monotonic()
        generation = self._kernel.generation()
        if generation == self._generation or began < self._look_again_at:
            return False
        listing = self._kernel.listing()
        now = time.monotonic()
        self._look_again_at = now + _LOOK_SHARE * (now - began)
        if listing != self._listing:
            return True
        self._generation = generation
        return False

    def _see_off(self, active: frozenset[str]) -> None:
        """The connections of load balancers that this node has left go on at another one. What conntrack remembers of them here would be wrong by
        the time they come back: their packets would count as forged."""
        now = time.monotonic()
        known = frozenset(self._document.load_balancers)
        left = (known if self._roles is None else self._roles) - active
        self._roles = active
        due = {name for name, at in self._leaving.items() if at <= now}
        self._leaving = {name: at for name, at in self._leaving.items() if at > now and name not in active}
        self._leaving.update(dict.fromkeys(left, now + _GONE_S))
        for name in (due | left) - active:
            self._kernel.end(target.mark for target in self._table.targets if target.frontend.partition("/")[0] == name)

    def _look_for_conflicts(self, active: frozenset[str]) -> None:
        """A node that was cut off, and stays active when it is back, knows as little of what connections did elsewhere meanwhile."""
        try:
            balancers = Client(self._paths.keepalive_socket, _ANSWER_S).status()["load_balancers"]
        except (NotRunning, Refused):
            return
        for name, told in balancers.items():
            last = told["conflicts"]["last"]
            seen = (told["conflicts"]["count"], last is not None and last["ended"])
            if self._conflicts.setdefault(name, seen) != seen and name in active:
                self._kernel.end(target.mark for target in self._table.targets if target.frontend.partition("/")[0] == name)
            self._conflicts[name] = seen

    def _say(self, problem: str) -> None:
        if problem != self._problem:
            say("error" if problem else "info", problem or "the table is in force")
        self._problem = problem

    def _report(self, generation: int) -> None:
        report = (generation, self._problem)
        if report != self._reported:
            with contextlib.suppress(NotRunning, Refused):
                Client(self._paths.proxy_socket, _ANSWER_S).request("PUT", "/v1/forward", {"generation": report[0], "problem": report[1]})
                self._reported = report

    # The end

    def _leave(self) -> None:
        """The table stays where this node is active and the service is only started anew; else it goes."""
        mine = {frontend.load_balancer for frontend in kernel_frontends(self._document).values()}
        if not self._failed and (self._lost or not mine & self._told.active):
            self._remove()

    def _remove(self) -> None:
        """Leaves the node as it was."""
        try:
            self._kernel.end_all()
            if self._kernel.listing():
                self._kernel.apply(text.removal(self._kernel.name) + copies(self._kernel.name, Document(), (), {}, ()))
        except (NotApplied, OSError) as error:
            say("error", f"the table is still there: {error}")
        self._kernel.unsettle()
        self._table, self._applied = Table(), False

    async def _status(self, _body: dict[str, Any]) -> dict[str, Any]:
        counters = await in_thread(self._kernel.counters)
        sessions: Mapping[int, int] = {}
        with contextlib.suppress(OSError):
            sessions = await in_thread(self._kernel.sessions)
        return {
            "service": "forward",
            "version": __version__,
            "release": release_digest(),
            "pid": os.getpid(),
            "generation": self._document.generation,
            "in_force": self._applied,
            "failure": self._problem,
            "frontends": view(self._document, self._table, self._told.active, counters, sessions),
        }
