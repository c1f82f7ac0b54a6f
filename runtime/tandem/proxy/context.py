"""What all of the data path is handed: the reactor, one read buffer, the logs, whether the worker is about to end. One per worker."""

from __future__ import annotations

import time
from collections.abc import Callable

from ..http.write import http_date
from .pipe import Pipe
from .reactor import Reactor
from .unique import Unique
from .verifier import Verifier

BUFFER_BYTES = 256 * 1024


class Context:
    """``log`` takes finished access log lines, ``warn`` everything else. Into ``buffer`` and ``pipe`` reads whoever reads now; nobody may keep them.

    ``wall_clock``: seconds since 1970, for what people and caches read; deadlines go by ``reactor.now``.
    """

    def __init__(
        self,
        reactor: Reactor,
        log: Callable[[str], None],
        warn: Callable[[str], None],
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self.reactor = reactor
        self.wheel = reactor.wheel
        self.buffer = memoryview(bytearray(BUFFER_BYTES))
        self.pipe = Pipe()
        self.unique = Unique()
        self.verifier = Verifier(reactor)
        self.log = log
        self.warn = warn
        self.wall_clock = wall_clock
        self.draining = False  # connections end with their next answer
        self._date_second = -1
        self._date = b""

    def date(self) -> bytes:
        """The time of now as a Date field has it (RFC 9110 5.6.7)."""
        second = int(self.wall_clock())
        if second != self._date_second:
            self._date_second, self._date = second, http_date(second)
        return self._date
