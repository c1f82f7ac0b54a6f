"""Which of the wanted listeners are bound, under which ids workers know them, and why the others are missing. They belong to the supervisor."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from ... import notify
from ...pace import Pace, in_thread
from ..hops import take_new_clients
from . import ports
from .listeners import bind, obstacle
from .wanted import Place, Wanted

_EXPLAIN_AGAIN_S = 10.0  # the port may have gone from one program to another

Held = Sequence[tuple[Wanted, int, socket.socket]]  # a listener, its id, its socket


class NotBound(Exception):
    """Listeners that must be bound could not be: ``reasons``, one for each."""

    def __init__(self, reasons: tuple[str, ...]) -> None:
        super().__init__("\n".join(reasons))
        self.reasons = reasons


@dataclass
class _Missing:
    want: Wanted
    error: int
    why: str
    explained_at: float


class Listening:
    """The bound sockets by place. The service manager keeps them across a restart.

    What goes over all of them rests in between. One change at a time: whoever calls holds a lock.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.sockets: dict[Place, tuple[int, socket.socket]] = {}
        self._clock = clock
        self._next_id = 0
        self._is_over = False
        self._missing: dict[Place, _Missing] = {}
        self._foreseen: dict[Place, str] = {}
        for sock in notify.kept():
            take_new_clients(sock)  # its former owner may have ended in the middle of a move
            address, port = sock.getsockname()[:2]
            self._note((address, port), sock)

    @property
    def is_missing(self) -> bool:
        """Whether a listener is wanted and could not be bound."""
        return bool(self._missing)

    @property
    def is_foreseen(self) -> bool:
        """Whether there are listeners that could not be bound if they were wanted."""
        return bool(self._foreseen)

    def problems(self) -> dict[Place, str]:
        """Why listeners are missing, or will be when they are wanted."""
        foreseen = {place: why for place, why in self._foreseen.items() if place not in self.sockets}
        return {**foreseen, **{place: missing.why for place, missing in self._missing.items()}}

    def problems_of(self, load_balancer: str) -> list[str]:
        """Why listeners of a load balancer that are wanted are missing."""
        return [missing.why for missing in self._missing.values() if missing.want.load_balancer == load_balancer]

    def held(self, wanted: Iterable[Wanted]) -> Held:
        return [(want, *self.sockets[want.place]) for want in wanted if want.place in self.sockets]

    async def open(self, wanted: Sequence[Wanted], is_tolerated: Callable[[Wanted], bool]) -> list[Place]:
        """Binds what is not bound yet and returns where. What cannot be bound is a problem, tried again by ``retry``.

        Raises NotBound where that is not tolerated of one of them; then all is as before.
        """
        places = {want.place for want in wanted}
        leaving: dict[int, list[socket.socket]] = {}  # by port
        for place, (_id, sock) in self.sockets.items():
            if place not in places:
                leaving.setdefault(place[1], []).append(sock)
        opened, failures = await self._bind([want for want in wanted if want.place not in self.sockets], leaving)
        missing = await self._explained(failures)
        reasons = tuple(missing[want.place].why for want in failures if not is_tolerated(want))
        if reasons:
            await self.close(opened)
            raise NotBound(reasons)
        self._missing = {place: known for place, known in self._missing.items() if place in places and place not in self.sockets}
        self._missing.update(missing)
        return opened

    async def retry(self) -> list[Place]:
        """Tries again what could not be bound, and returns what now is."""
        opened, failures = await self._bind([missing.want for missing in self._missing.values()], {})
        for place in opened:
            del self._missing[place]
        self._missing.update(await self._explained(failures))
        return opened

    async def _bind(self, wanted: Iterable[Wanted], leaving: Mapping[int, Collection[socket.socket]]) -> tuple[list[Place], dict[Wanted, int]]:
        pace = Pace()
        opened: list[Place] = []
        failures: dict[Wanted, int] = {}
        for want in wanted:
            if self._is_over:
                break
            try:
                self._note(want.place, bind(want, leaving.get(want.port, ())))
                opened.append(want.place)
            except OSError as error:
                failures[want] = error.errno or 0
            await pace.rest()
        if opened:
            await in_thread(_keep, [(place, self.sockets[place][1]) for place in opened if place in self.sockets])
        return opened, failures

    async def _explained(self, failures: Mapping[Wanted, int]) -> dict[Place, _Missing]:
        """Who holds a port is looked up once, and not again at every try: that reads all of /proc."""
        now = self._clock()
        found, unknown = {}, {}
        for want, error in failures.items():
            known = self._missing.get(want.place)
            if known is not None and known.error == error and known.want == want and now - known.explained_at < _EXPLAIN_AGAIN_S:
                found[want.place] = known
            else:
                unknown[want] = error
        if unknown:
            why = await in_thread(ports.explain, unknown)
            found.update({want.place: _Missing(want, error, why[want.place], now) for want, error in unknown.items()})
        return found

    async def foresee(self, expected: Collection[Wanted]) -> None:
        """Looks whether listeners that are wanted only when this node is active could be bound then."""
        self._foreseen = await in_thread(_foreseen, list(expected))

    async def close_unwanted(self, wanted: Iterable[Wanted]) -> None:
        places = {want.place for want in wanted}
        await self.close([place for place in self.sockets if place not in places])
        self._missing = {place: missing for place, missing in self._missing.items() if place in places}

    async def close(self, places: Collection[Place]) -> None:
        if places:
            await in_thread(_release, list(places))  # first, as the service manager's copies listen too
        pace = Pace()
        for place in places:
            if place in self.sockets:
                self.sockets.pop(place)[1].close()
            await pace.rest()

    def close_all(self) -> None:
        """At the end of this process's life, be it in the middle of a change: what the service manager keeps stays open."""
        self._is_over = True
        while self.sockets:
            self.sockets.popitem()[1][1].close()

    def _note(self, place: Place, sock: socket.socket) -> None:
        self._next_id += 1
        self.sockets[place] = (self._next_id, sock)


def _foreseen(expected: Collection[Wanted]) -> dict[Place, str]:
    failures = {}
    for want in expected:
        error = obstacle(want)
        if error is not None:
            failures[want] = error.errno or 0
    return ports.explain_foreign(failures)


def _keep(sockets: Iterable[tuple[Place, socket.socket]]) -> None:
    for place, sock in sockets:
        notify.keep(_store_name(place), sock)


def _release(places: Iterable[Place]) -> None:
    for place in places:
        notify.release(_store_name(place))


def _store_name(place: Place) -> str:
    """The socket's name in the service manager's store, which allows no colon (sd_pid_notify_with_fds(3))."""
    return f"{place[0]}-{place[1]}".replace(":", "_")
