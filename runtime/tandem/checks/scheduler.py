"""Says when each server is checked, and keeps what is known of it across documents. Decisions are ``health``'s, probes are ``probe``'s."""

from __future__ import annotations

import asyncio
import functools
import heapq
import random
import time
import traceback
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Optional

from .._model import Backend, Document, Server
from ..events import note
from ..log import say
from ..metrics.counters import CheckCounters
from ..pace import Pace
from ..supervised import supervise
from .health import Health, after_check, next_check_ms
from .probe import Result, Target, probe, target_of

_PROBES_AT_ONCE = 256
_JITTER = 0.05  # of the interval, so that probes of many servers do not march in step

ServerKey = tuple[str, str]  # (backend key, server name)
Looked = dict[ServerKey, tuple[Target, Health]]  # what was seen where


@dataclass
class _Checked:
    """A server that is checked. ``turn`` is the number of its one valid entry in the row of those to come."""

    target: Target
    health: Health
    turn: int = -1
    counted: CheckCounters = field(default_factory=CheckCounters)
    running: Optional[asyncio.Task[Any]] = field(default=None, repr=False)

    def cancel(self) -> None:
        self.turn = -1
        if self.running is not None:
            self.running.cancel()
            self.running = None


class Scheduler:
    """Runs the checks of a document. ``on_change(backend_key)`` is called whenever one of its servers went up or down, and ``on_failure()`` when the
    program itself has failed. ``address_of``: where a server is, "" where that is not known. ``clock`` is in seconds, ``chance()`` a number from 0
    to 1."""

    def __init__(
        self,
        on_change: Callable[[str], None],
        on_failure: Callable[[], None],
        *,
        probing: Callable[[Target], Awaitable[Result]] = probe,
        address_of: Callable[[Backend, Server], str] = lambda _backend, server: server.address,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._on_change = on_change
        self._on_failure = on_failure
        self._probing = probing
        self._address_of = address_of
        self._clock = clock
        self._chance = chance
        self._servers: dict[ServerKey, _Checked] = {}
        self._prechecked: Looked = {}
        self._coming: list[tuple[float, int, ServerKey]] = []  # a heap: when, number, whom
        self._turns = 0
        self._running = 0
        self._broke = ""
        self._wake = asyncio.Event()
        self._work: Optional[asyncio.Task[Any]] = None

    def start(self) -> None:
        self._work = supervise(self._run(), "the scheduler of health checks", self._on_failure)

    def stop(self) -> None:
        if self._work is not None:
            self._work.cancel()
        for checked in self._servers.values():
            checked.cancel()

    # What is known

    def health(self, backend_key: str, server: str) -> Health:
        checked = self._servers.get((backend_key, server))
        return checked.health if checked else Health()

    def all_health(self) -> dict[ServerKey, Health]:
        """What is known of each server now; it does not change with what comes."""
        return {key: checked.health for key, checked in self._servers.items()}

    def counted(self) -> dict[ServerKey, dict[str, int]]:
        """What was counted of each server's checks."""
        return {key: checked.counted.shown() for key, checked in self._servers.items()}

    def up(self, backend: Backend) -> dict[str, bool]:
        """Who of a backend's servers is up, as workers are told; those that have not been checked are left out."""
        known = {server.name: self._known((backend.key, server.name), self._target(backend, server)).up for server in backend.members}
        return {name: up for name, up in known.items() if up is not None}

    def _target(self, backend: Backend, server: Server) -> Target:
        return target_of(backend, server, self._address_of(backend, server))

    def _targets(self, document: Document) -> Iterator[tuple[ServerKey, Target]]:
        for key, backend in document.backends.items():
            for server in backend.members:
                yield (key, server.name), self._target(backend, server)

    def _known(self, key: ServerKey, target: Target) -> Health:
        """What is known of a server at this very address and port. Without checks nothing is, and what was known before them is too old."""
        if not _is_probed(target):
            return Health()
        checked = self._servers.get(key)
        if checked is not None and not _begins_anew(checked, target):
            return checked.health
        prechecked = self._prechecked.get(key)
        return prechecked[1] if prechecked is not None and prechecked[0] == target else Health()

    # Documents, and what operators do

    async def check_anew(self, key: ServerKey, wait_s: float) -> None:
        """Looks at a server now, and what is found decides alone, as for a new one. After ``wait_s`` it counts as not checked."""
        checked = self._servers.get(key)
        if checked is None or not _is_probed(checked.target):
            return
        checked.cancel()
        looking = asyncio.ensure_future(self._look(checked.target))
        await asyncio.wait({looking}, timeout=wait_s)
        before, health, next_s = checked.health, Health(), 0.0
        if looking.done():
            passed, said = looking.result()
            health = after_check(health, checked.target.check, passed, said, self._clock())
            next_s = next_check_ms(health, checked.target.check) / 1000
        else:
            looking.cancel()
        checked.health = replace(health, since_s=before.since_s) if health.up == before.up else health
        if self._servers.get(key) is checked:  # no document has come meanwhile
            self._line_up(key, checked, next_s)
            self._wake.set()
        if health.up != before.up:
            _report(key, checked.health)

    async def precheck(self, document: Document, wait_s: float) -> None:
        """Checks servers that a document brings new, before it is used, so that a change never begins with servers nobody has checked.

        One that only moves still serves under its old address meanwhile. What is found out is used by ``up`` and by the next ``follow``.
        """
        self._prechecked = {}
        pace = Pace()
        fresh = []
        for key, target in self._targets(document):
            if _is_probed(target) and _begins_anew(self._servers.get(key), target):
                fresh.append((key, target))
            await pace.rest()
        self._prechecked = await self.look_ahead(fresh, wait_s)

    async def look_ahead(self, fresh: Sequence[tuple[ServerKey, Target]], wait_s: float) -> Looked:
        """What is seen at these targets within the time. Nothing changes by it."""
        found: Looked = {}
        left = iter(fresh)

        async def look() -> None:
            for key, target in left:
                passed, said = await self._look(target)
                health = after_check(Health(), target.check, passed, said, self._clock())
                found[key] = (target, health)
                _report(key, health)

        looking = [asyncio.ensure_future(look()) for _task in range(min(_PROBES_AT_ONCE, len(fresh)))]
        if looking:
            _done, late = await asyncio.wait(looking, timeout=wait_s)
            for task in late:
                task.cancel()
            await asyncio.gather(*looking, return_exceptions=True)
        return found

    def moving(self, backend: Backend, addresses: Mapping[str, str]) -> list[tuple[ServerKey, Target]]:
        """The targets that nobody has looked at, were the servers of a backend at these addresses, by their names."""
        found = []
        for server in backend.members:
            key, target = (backend.key, server.name), target_of(backend, server, addresses.get(server.name, ""))
            if server.host and _is_probed(target) and _begins_anew(self._servers.get(key), target):
                found.append((key, target))
        return found

    def moved(self, backend: Backend, looked: Looked) -> None:
        """Servers of a backend have other addresses than before, by ``address_of``: from now on they are checked there. ``looked``: what was seen."""
        for server in backend.members:
            key, target = (backend.key, server.name), self._target(backend, server)
            checked = self._servers.get(key)
            if checked is None or checked.target == target:
                continue
            seen = looked.get(key)
            checked.cancel()
            self._servers[key] = _Checked(target, seen[1] if seen is not None and seen[0] == target else Health())
            if _is_probed(target):
                self._line_up(key, self._servers[key], self._first_wait_s(self._servers[key]))
        self._wake.set()

    async def follow(self, document: Document) -> None:
        """Checks what the document names from now on; what is known of servers whose address and port stay is kept."""
        pace = Pace()
        following: dict[ServerKey, _Checked] = {}
        for key, target in self._targets(document):
            checked = self._servers.get(key)
            if checked is None or checked.target != target:
                anew = _Checked(target, self._known(key, target))
                if checked is not None:
                    checked.cancel()
                    anew.counted = checked.counted
                checked = anew
            following[key] = checked
            await pace.rest()
        for key, checked in self._servers.items():
            if key not in following:
                checked.cancel()
        self._servers, self._prechecked = following, {}
        self._coming = [entry for entry in self._coming if self._is_valid(entry)]
        heapq.heapify(self._coming)
        for key, checked in following.items():
            if checked.turn < 0 and checked.running is None and _is_probed(checked.target):
                self._line_up(key, checked, self._first_wait_s(checked))
                await pace.rest()
        self._wake.set()

    def fail(self, key: ServerKey, said: str) -> None:
        """A server that is up is down, as its checks have not seen yet. They are asked soon, and bring it up again."""
        checked = self._servers.get(key)
        if checked is None or not checked.health.up:
            return
        checked.cancel()
        checked.health = Health(False, 0, self._clock(), said)
        self._line_up(key, checked, min(checked.target.check.fast_interval_ms, checked.target.check.interval_ms) / 1000)
        self._wake.set()
        _report(key, checked.health)
        self._on_change(key[0])

    # Turns

    def _first_wait_s(self, checked: _Checked) -> float:
        """Who has been looked at already is next checked at a random moment of the interval, so that many servers spread out."""
        return self._chance() * checked.target.check.interval_ms / 1000 if checked.health.up is not None else 0.0

    def _line_up(self, key: ServerKey, checked: _Checked, wait_s: float) -> None:
        self._turns += 1
        checked.turn = self._turns
        heapq.heappush(self._coming, (self._clock() + wait_s, self._turns, key))

    def _is_valid(self, entry: tuple[float, int, ServerKey]) -> bool:
        checked = self._servers.get(entry[2])
        return checked is not None and checked.turn == entry[1]

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            wait_s = self.begin_due()
            timer = None if wait_s is None else loop.call_later(wait_s, self._wake.set)
            await self._wake.wait()
            self._wake.clear()
            if timer is not None:
                timer.cancel()

    def begin_due(self) -> Optional[float]:
        """Begins the checks whose time has come. Returns in how many seconds the next one is; None: not before something else happens."""
        now = self._clock()
        while self._coming and self._running < _PROBES_AT_ONCE:
            entry = self._coming[0]
            if self._is_valid(entry):
                if entry[0] > now:
                    return entry[0] - now
                checked = self._servers[entry[2]]
                checked.turn = -1
                checked.running = supervise(self._check(entry[2], checked), f"the check of {_named(entry[2])}", self._on_failure)
                # Scripts wait for a turn of their own, and must not keep all others from theirs meanwhile.
                counts = int(checked.target.check.type != "script")
                self._running += counts
                checked.running.add_done_callback(functools.partial(self._has_run, counts))
            heapq.heappop(self._coming)
        return None

    def _has_run(self, counts: int, _task: asyncio.Task[Any]) -> None:
        self._running -= counts
        self._wake.set()

    async def _check(self, key: ServerKey, checked: _Checked) -> None:
        check, began = checked.target.check, self._clock()
        passed, said = await self._look(checked.target)
        checked.counted.add(passed, self._clock() - began)
        before = checked.health
        checked.health = after_check(before, check, passed, said, self._clock())
        # Its next turn stands before anybody is told: whatever happens there, it is checked again.
        checked.running = None
        self._line_up(key, checked, next_check_ms(checked.health, check) / 1000 * (1 + _JITTER * (self._chance() - 0.5)))
        if checked.health.up != before.up:
            _report(key, checked.health)
            self._on_change(key[0])

    async def _look(self, target: Target) -> Result:
        """The result of a probe; one that breaks is a failed check, so that no server stays as it is because of a mistake of ours."""
        try:
            return await self._probing(target)
        except Exception as error:  # noqa: BLE001
            said = f"the check itself broke ({error!r})"
            if said != self._broke:  # told once, and not for every server at every interval
                say("error", f"{said}: {traceback.format_exc()}")
            self._broke = said
            return False, said


def _begins_anew(checked: Optional[_Checked], target: Target) -> bool:
    """Whether what is known of a server says nothing about this target."""
    return checked is None or not _is_probed(checked.target) or checked.target[:2] != target[:2]


def _is_probed(target: Target) -> bool:
    """Whether there is something to look at."""
    return bool(target.address) and target.check.type != "none"


def _named(key: ServerKey) -> str:
    return f"server {key[0]}/{key[1]}"


def _report(key: ServerKey, health: Health) -> None:
    say("info" if health.up else "warning", f"{_named(key)} is {health.state}: {health.last}")
    note("server", "/".join(key), f"{health.state}: {health.last}")
