"""What is known of the names that are in use: each is asked for again when its answer has run out, and the last good one counts meanwhile."""

from __future__ import annotations

import asyncio
import heapq
import random
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Optional

from .._model import Resolver
from ..log import say
from ..pace import Pace
from ..supervised import supervise
from .client import Unanswered
from .resolver import Found

_ASKED_AT_ONCE = 64
_DENIED_MAX_S = 30.0  # a name that does not exist yet is looked for again after this long at most
_FAILED_MAX_S = 30.0
_JITTER = 0.1  # of the time that an answer counts, by which it is asked for earlier: names that came together do not stay together

Name = tuple[str, Resolver]


@dataclass(frozen=True)
class Known:
    """What is known of one name. ``addresses`` are those of the last good answer, for as long as they count; ``problem``: why the newest question
    brought none, "" if it did; ``settled``: whether one has ended, either way; ``denied_s``: since when it is said that there are none."""

    addresses: tuple[str, ...] = ()
    problem: str = ""
    settled: bool = False
    denied_s: Optional[float] = None
    failures: int = 0  # in a row


@dataclass
class _Watched:
    """One name. ``turn`` is the number of its one valid entry in the row of those to come; ``again``: it is asked for anew once it has been."""

    known: Known
    turn: int = -1
    running: Optional[asyncio.Task[Any]] = None
    again: bool = False


class Watch:
    """``finding(host, resolver)`` asks, and raises Unanswered. ``on_change(name)`` is called when its addresses have changed, or it is known at last;
    ``on_failure()`` when the program itself has failed. ``clock`` in seconds, ``chance()`` a number from 0 to 1."""

    def __init__(
        self,
        finding: Callable[[str, Resolver], Awaitable[Found]],
        on_change: Callable[[Name], None],
        on_failure: Callable[[], None],
        *,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._finding = finding
        self._on_change = on_change
        self._on_failure = on_failure
        self._clock = clock
        self._chance = chance
        self.former: Mapping[str, Sequence[str]] = {}  # the last good addresses of a former life, by host
        self._names: dict[Name, _Watched] = {}
        self._coming: list[tuple[float, int, Name]] = []  # a heap: when, number, whom
        self._turns = 0
        self._running = 0
        self._wake = asyncio.Event()
        self._work: Optional[asyncio.Task[Any]] = None

    def known(self, name: Name) -> Known:
        watched = self._names.get(name)
        return watched.known if watched is not None else Known()

    async def begin(self, names: Collection[Name]) -> None:
        """Asks for those that are not watched yet, from now on."""
        if self._work is None:
            self._work = supervise(self._run(), "the watch over names", self._on_failure)
        pace = Pace()
        with_address = {host: watched.known.addresses for (host, _resolver), watched in self._names.items() if watched.known.addresses}
        for name in names:
            if name not in self._names:
                # Until it has been asked for with these settings, it is where it is by others, or was in a former life.
                self._names[name] = _Watched(Known(with_address.get(name[0]) or tuple(self.former.get(name[0], ()))))
                self._line_up(name, 0.0)
            await pace.rest()
        self._wake.set()

    def keep_only(self, names: Collection[Name]) -> None:
        for name in self._names.keys() - set(names):
            task = self._names.pop(name).running
            if task is not None:
                task.cancel()
        self._coming = [entry for entry in self._coming if self._is_valid(entry)]
        heapq.heapify(self._coming)

    async def ask_again(self) -> None:
        """All are asked for now: what they are found by has changed."""
        pace = Pace()
        for name, watched in list(self._names.items()):
            watched.again = watched.running is not None
            if watched.running is None and name in self._names:
                self._line_up(name, 0.0)
            await pace.rest()
        self._wake.set()

    def stop(self) -> None:
        self.keep_only(())
        if self._work is not None:
            self._work.cancel()

    # Turns

    def _line_up(self, name: Name, wait_s: float) -> None:
        self._turns += 1
        self._names[name].turn = self._turns
        heapq.heappush(self._coming, (self._clock() + wait_s, self._turns, name))

    def _is_valid(self, entry: tuple[float, int, Name]) -> bool:
        watched = self._names.get(entry[2])
        return watched is not None and watched.turn == entry[1]

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            wait_s = self._begin_due()
            timer = None if wait_s is None else loop.call_later(wait_s, self._wake.set)
            await self._wake.wait()
            self._wake.clear()
            if timer is not None:
                timer.cancel()

    def _begin_due(self) -> Optional[float]:
        """Asks for those whose time has come. Returns in how many seconds the next one is; None: not before something else happens."""
        now = self._clock()
        while self._coming and self._running < _ASKED_AT_ONCE:
            when, _turn, name = self._coming[0]
            if self._is_valid(self._coming[0]):
                if when > now:
                    return when - now
                watched = self._names[name]
                watched.turn = -1
                self._running += 1
                watched.running = supervise(self._ask(name, watched), f"the question for the addresses of {name[0]}", self._on_failure)
                watched.running.add_done_callback(self._has_run)
            heapq.heappop(self._coming)
        return None

    def _has_run(self, _task: asyncio.Task[Any]) -> None:
        self._running -= 1
        self._wake.set()

    async def _ask(self, name: Name, watched: _Watched) -> None:
        host, resolver = name
        before = watched.known
        try:
            found: Optional[Found] = await self._finding(host, resolver)
            said = found.why if found is not None else ""
        except Unanswered as error:
            found, said = None, str(error)
        now = self._clock()
        known = watched.known = after_answer(before, found, said, resolver, now)
        wait_s = 0.0 if watched.again else wait_after(known, found, resolver, now) * (1 - _JITTER * self._chance())
        watched.running, watched.again = None, False
        self._line_up(name, wait_s)
        _tell(host, before, known)
        if known.addresses != before.addresses or not before.settled:
            self._on_change(name)


def after_answer(before: Known, found: Optional[Found], said: str, resolver: Resolver, now_s: float) -> Known:
    """What is known after one more question. ``found`` None: nobody could say, as ``said`` tells.

    The last good addresses outlast a failure of the name servers for as long as that lasts, and for ``hold`` that they say that there are none.
    """
    if found is None:
        return replace(before, problem=said, settled=True, failures=before.failures + 1)
    if found.addresses:
        return Known(found.addresses, settled=True)
    denied_s = now_s if before.denied_s is None else before.denied_s
    held = now_s - denied_s < resolver.hold_ms / 1000
    return Known(before.addresses if held else (), said, True, denied_s)


def wait_after(known: Known, found: Optional[Found], resolver: Resolver, now_s: float) -> float:
    """In how many seconds the name is asked for again."""
    least_s, most_s = resolver.min_ttl_ms / 1000, resolver.max_ttl_ms / 1000
    if found is None:
        return min(least_s * 2.0 ** min(known.failures - 1, 16), max(least_s, _FAILED_MAX_S))
    if found.addresses:
        return min(max(found.ttl_s, least_s), most_s)
    wait_s = min(max(found.ttl_s, least_s), max(least_s, _DENIED_MAX_S))
    if known.addresses and known.denied_s is not None:  # until they no longer count
        wait_s = min(wait_s, max(known.denied_s + resolver.hold_ms / 1000 - now_s, least_s))
    return wait_s


def _tell(host: str, before: Known, known: Known) -> None:
    """Each change once, for the log."""
    if known.addresses and known.addresses != before.addresses:
        say("info", f"{host} is at {', '.join(known.addresses)}")
    elif before.problem and not known.problem:
        say("info", f"{host} is found again")
    if known.problem and (known.problem != before.problem or known.addresses != before.addresses):
        say("warning", f"{host}: {known.problem}; {_meanwhile(known)}")


def _meanwhile(known: Known) -> str:
    return f"{', '.join(known.addresses)} stays in use" if known.addresses else "it has no address"
