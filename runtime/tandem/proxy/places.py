"""Places that all workers count together, in memory that they share: at a server, or at a whole backend, with a small ``max_connections``.

For each limit and worker there is a record: how many places it holds, how many wait there, and since when the first of them does. Only its owner
writes a record, and only under the lock of its row, which the kernel takes from a worker that dies; what that one held, the supervisor wipes out.

Whoever came first is served first, whichever worker it came to: nobody takes a place before those of other workers who wait longer are counted as
served. A worker that changes something for the others, by a place given back or by waiting no longer, wakes those that wait.
"""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
from collections.abc import Callable, Mapping, Sequence

from .._model import Backend
from .reactor import READ, Handler, Reactor

_INTEGERS, _DOUBLES = 4, 2  # in a record: held and waiting are unsigned integers of 4 bytes, since when is a double
RECORD_BYTES = 16

Rows = Mapping[str, Mapping[str, int]]  # where the limits are counted, by backend's key and server's name, or "" for the backend itself


def wake(descriptor: int) -> None:
    """Makes a worker look, by the end of its pipe that is written to. One that has been woken already needs no more."""
    with contextlib.suppress(BlockingIOError):
        os.write(descriptor, b"!")


class PlacesMemory:
    """The memory as one worker has it, known by its index. ``ends``: those of all workers' pipes, its own to be read, the others' to be written to.

    ``on_woken`` is called when another worker has changed something that this one waits for.
    """

    def __init__(self, index: int, ends: Sequence[int], reactor: Reactor, on_woken: Callable[[], None]) -> None:
        self.index = index
        self.workers = len(ends)
        self._ends = list(ends)
        self.descriptor = -1
        self._on_woken = on_woken
        self._looks_soon = False
        self._waker = _Waker(ends[index], on_woken)
        reactor.watch(self._waker, READ)
        self._reactor = reactor

    def use(self, descriptor: int) -> None:
        """Takes the memory, which may have grown. Who has places in it keeps a map of his own."""
        former, self.descriptor = self.descriptor, descriptor
        size = os.fstat(descriptor).st_size
        self.map = memoryview(mmap.mmap(descriptor, size)) if size else memoryview(b"")
        if former >= 0:
            os.close(former)

    def of(self, backend: Backend, rows: Mapping[str, int]) -> dict[str, SharedPlaces]:
        """Those of a backend, by server's name, or "" for the backend itself."""
        limits = {"": backend.max_connections, **({server.name: server.max_connections for server in backend.members} if rows else {})}
        return {name: SharedPlaces(self, row, limits[name]) for name, row in rows.items()}

    def look_soon(self) -> None:
        """As if woken: a place became free before others could know that it is waited for."""
        if not self._looks_soon:
            self._looks_soon = True
            self._reactor.soon(self._look)

    def _look(self) -> None:
        self._looks_soon = False
        self._on_woken()

    def wake(self, indexes: Sequence[int]) -> None:
        for index in indexes:
            wake(self._ends[index])

    def close(self) -> None:
        self._reactor.watch(self._waker, 0)
        for descriptor in (self.descriptor, *self._ends):
            if descriptor >= 0:
                os.close(descriptor)


class SharedPlaces:
    """One limit. It is the pool's ``Places``."""

    __slots__ = ("_doubles", "_end", "_first", "_integers", "_length", "_limit", "_memory", "_others", "_own", "_start", "_told", "_told_since")

    def __init__(self, memory: PlacesMemory, row: int, limit: int) -> None:
        self._memory = memory
        self._limit = limit
        self._length = memory.workers * RECORD_BYTES
        self._start = row * self._length
        self._integers = memory.map[self._start : self._start + self._length].cast("I")
        self._doubles = memory.map[self._start : self._start + self._length].cast("d")
        self._own = memory.index * _INTEGERS
        self._others = [index for index in range(memory.workers) if index != memory.index]
        self._told = 0
        self._told_since = 0.0

    def free(self) -> bool:
        """Whether there is a place, as far as can be seen without the lock."""
        return sum(self._integers[::_INTEGERS]) < self._limit

    def take(self, held: int, since: float) -> bool:
        """A place, beside the ``held`` ones of this worker, for who waits since then, or has just come."""
        integers, doubles = self._integers, self._doubles
        self._lock(fcntl.LOCK_EX)
        try:
            taken = sum(integers[::_INTEGERS])
            for index in self._others:
                if integers[index * _INTEGERS + 1] and doubles[index * _DOUBLES + 1] < since:
                    taken += integers[index * _INTEGERS + 1]
            if taken >= self._limit:
                return False
            integers[self._own] = held + 1
            return True
        finally:
            self._lock(fcntl.LOCK_UN)

    def hold(self, held: int) -> None:
        """This worker holds so many places from now on."""
        self._lock(fcntl.LOCK_EX)
        self._integers[self._own] = held
        waiting = self._waiting_elsewhere()
        self._lock(fcntl.LOCK_UN)
        self._memory.wake(waiting)

    def wait(self, count: int, since: float) -> None:
        """So many wait for a place here, the first of them since then."""
        if not count and not self._told:
            return
        self._lock(fcntl.LOCK_EX)
        self._integers[self._own + 1] = count
        self._doubles[self._own // _DOUBLES + 1] = since
        waiting = self._waiting_elsewhere() if count < self._told or since > self._told_since else []
        if count > self._told and self.free():
            self._memory.look_soon()
        self._lock(fcntl.LOCK_UN)
        self._told, self._told_since = count, since
        self._memory.wake(waiting)

    def _waiting_elsewhere(self) -> list[int]:
        return [index for index in self._others if self._integers[index * _INTEGERS + 1]]

    def _lock(self, how: int) -> None:
        fcntl.lockf(self._memory.descriptor, how, self._length, self._start)


class _Waker(Handler):
    __slots__ = ("_on_woken",)

    def __init__(self, descriptor: int, on_woken: Callable[[], None]) -> None:
        Handler.__init__(self, descriptor)
        self._on_woken = on_woken

    def readable(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self.fd, 4096)
        self._on_woken()
