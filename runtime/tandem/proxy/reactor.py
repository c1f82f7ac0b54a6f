"""A worker's loop: epoll(7), the timer wheel, work for the next turn, and wake-ups from other threads and from signal handlers.

There is no layer between a socket that is ready and the object that reads it: that is why it is not asyncio (docs/explanation/decisions.md). One
thread runs a reactor; ``wake`` is the only method that others may call.
"""

from __future__ import annotations

import contextlib
import os
import select
import time
from collections import deque
from collections.abc import Callable
from typing import Optional, Protocol

from .wheel import TICK_S, Timed, Wheel

READ = select.EPOLLIN
WRITE = select.EPOLLOUT
HANGUP = select.EPOLLHUP  # a reset, or that both sides have ended; epoll(7) tells it with READ and WRITE anyway
_FAILED = select.EPOLLERR
_EVENTS_MAX = 512  # taken from the kernel at once
_IDLE_WAIT_MAX_S = 1.0


class Handler(Timed):
    """Who is told what happens to a descriptor. ``watched`` is what the reactor watches it for now: READ, WRITE and HANGUP added."""

    __slots__ = ("fd", "watched")

    def __init__(self, fd: int) -> None:
        Timed.__init__(self)
        self.fd = fd
        self.watched = 0

    def readable(self) -> None:
        """There is something to read, an end of file or an error among it."""

    def writable(self) -> None:
        """The kernel takes bytes again, or a connection attempt has ended."""

    def hung_up(self, failed: bool) -> None:
        """While it is not watched for READ: it was reset, or failed otherwise, or else both sides have ended."""
        self.readable()


class Call(Timed):
    """A function on the wheel; ``Reactor.later`` makes it, ``Reactor.wheel.clear`` takes it off."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[[], None]) -> None:
        Timed.__init__(self)
        self._function = function

    def expired(self, now: float) -> None:
        self._function()


class Closable(Protocol):
    def close(self) -> None: ...


class Reactor:
    """``now`` is the clock's time (seconds) when the present turn began: what the data path calls the time."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, on_error: Optional[Callable[[Exception], None]] = None) -> None:
        self.clock = clock
        self.now = clock()
        self.wheel = Wheel(self.now, self._failed)
        self._on_error = on_error
        self._poll = select.epoll()
        self._handlers: dict[int, Handler] = {}
        self._soon: deque[Callable[[], None]] = deque()
        self._closing: list[Closable] = []
        self.turns = 0  # that there have been
        self._running = False
        self._idle = False
        self._next_tick = self.now
        self._from_outside: deque[Callable[[], None]] = deque()
        self._wake = _Wake(self)
        self.watch(self._wake, READ)

    def watch(self, handler: Handler, events: int) -> None:
        """Watches the handler's descriptor for READ, WRITE, both, or HANGUP alone, or with 0 for nothing at all: then not even errors are told."""
        had = handler.watched
        if events == had:
            return
        handler.watched = events
        if not had:
            self._handlers[handler.fd] = handler
            self._poll.register(handler.fd, events)
        elif events:
            self._poll.modify(handler.fd, events)
        else:
            del self._handlers[handler.fd]
            self._poll.unregister(handler.fd)

    def hand_over(self, former: Handler, heir: Handler, events: int) -> None:
        """Another handler for the same descriptor, watched for these events."""
        heir.watched, former.watched = former.watched, 0
        if heir.watched:
            self._handlers[heir.fd] = heir
        self.watch(heir, events)

    def close(self, handler: Handler, sock: Closable) -> None:
        """Watches no more, and closes the socket at the end of this turn: until then no new socket can have its number, and get its events."""
        self.watch(handler, 0)
        self.wheel.clear(handler)
        self._closing.append(sock)

    def soon(self, function: Callable[[], None]) -> None:
        """In the next turn, without waiting."""
        self._soon.append(function)

    def later(self, seconds: float, function: Callable[[], None]) -> Call:
        call = Call(function)
        self.wheel.set(call, self.now + seconds)
        return call

    def wake(self, function: Callable[[], None]) -> None:
        """Like ``soon``, from any thread or signal handler."""
        self._from_outside.append(function)
        self._wake.ring()

    def run(self) -> None:
        """Turns until ``stop``."""
        self._running = True
        while self._running:
            self.turn(TICK_S)
        self._close_sockets()

    def stop(self) -> None:
        self._running = False

    def turn(self, wait_s: float) -> None:
        """Waits for events, or so long, or for the next deadline where nothing happens; then handles what there is."""
        if self._soon:
            wait_s = 0.0
        elif self._idle:
            wait_s = max(wait_s, self.wheel.until_due(self.clock(), _IDLE_WAIT_MAX_S))
        events = self._poll.poll(wait_s, _EVENTS_MAX)
        self._idle = not events
        now = self.now = self.clock()
        self.turns += 1
        if self._soon:
            self._do_soon()
        self._handle(events)
        if now >= self._next_tick:
            self._next_tick = now + TICK_S
            self.wheel.advance(now)
        if self._closing:
            self._close_sockets()

    def _handle(self, events: list[tuple[int, int]]) -> None:
        handlers = self._handlers
        for fd, what in events:
            handler = handlers.get(fd)
            if handler is None:
                continue
            try:
                if what == READ:
                    handler.readable()
                    continue
                if what & WRITE:
                    handler.writable()
                if what != WRITE and handler.watched:
                    if handler.watched & READ:
                        handler.readable()
                    else:
                        handler.hung_up(what & _FAILED != 0)
            except Exception as error:  # noqa: BLE001 - ends that handler's work alone
                self._failed(handler, error)

    def dispose(self) -> None:
        """Gives back the reactor's own descriptors; to be called once it runs no more."""
        self._close_sockets()
        self._wake.close()
        self._poll.close()

    def _do_soon(self) -> None:
        # Only those that are there now: what they add has its turn after the sockets have had theirs.
        for _count in range(len(self._soon)):
            try:
                self._soon.popleft()()
            except Exception as error:  # noqa: BLE001
                self._failed(None, error)

    def _failed(self, entry: Optional[Timed], error: Exception) -> None:
        if self._on_error is None:
            raise error
        self._on_error(error)
        if entry is not None:
            try:
                entry.failed(error)
            except Exception as another:  # noqa: BLE001
                self._on_error(another)

    def _close_sockets(self) -> None:
        closing, self._closing = self._closing, []
        for sock in closing:
            sock.close()

    def _take_from_outside(self) -> None:
        while self._from_outside:
            self._soon.append(self._from_outside.popleft())


class _Wake(Handler):
    """A pipe that makes the reactor turn (self-pipe, as epoll(7) knows no condition)."""

    __slots__ = ("_reactor", "_write_fd")

    def __init__(self, reactor: Reactor) -> None:
        read_fd, self._write_fd = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        Handler.__init__(self, read_fd)
        self._reactor = reactor

    def ring(self) -> None:
        if self._write_fd >= 0:  # or the reactor runs no more
            with contextlib.suppress(BlockingIOError):  # it is full of wake-ups already
                os.write(self._write_fd, b"\0")

    def readable(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self.fd, 4096)
        self._reactor._take_from_outside()

    def close(self) -> None:
        write_fd, self._write_fd = self._write_fd, -1
        os.close(self.fd)
        os.close(write_fd)
