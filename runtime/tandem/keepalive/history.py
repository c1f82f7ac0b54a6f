"""Why the last moves of each load balancer happened, as this node has seen them: kept across restarts, and written beside the elections."""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from .._files import make_folder, write_atomically
from .._paths import Paths
from ..log import say
from ..supervised import supervise

_KEPT = 10
_LOAD_BALANCERS_MAX = 1000
_WHY_MAX = 300
_SCHEMA = 1
_FILE_BYTES_MAX = 16 * 1024 * 1024


@dataclass(frozen=True)
class Moved:
    """``at_s`` is the time of day (Unix). ``before`` and ``after`` are states of this node, one of them ``active``."""

    at_s: float
    before: str
    after: str
    why: str


class History:
    """``wall`` is the time of day. A file that cannot be read is begun anew, and one that cannot be written is said to be so, once."""

    def __init__(self, paths: Paths, on_failure: Callable[[], None], wall: Callable[[], float] = time.time) -> None:
        self._path, self._on_failure, self._wall = paths.moves, on_failure, wall
        self._moves: dict[str, deque[Moved]] = {}
        self._writing = self._dirty = self._failed = False
        self._written = asyncio.Event()

    def read(self) -> None:
        """To be called once, before anything moves; blocks."""
        try:
            with open(self._path, "rb") as file:
                stored = json.loads(file.read(_FILE_BYTES_MAX))
            for name, moves in list(stored["load_balancers"].items())[:_LOAD_BALANCERS_MAX]:
                known = [Moved(float(one["at_s"]), str(one["before"]), str(one["after"]), str(one["why"])[:_WHY_MAX]) for one in moves[-_KEPT:]]
                self._moves[str(name)] = deque(known, _KEPT)
        except FileNotFoundError:
            pass
        except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            say("warning", f"{self._path}: former moves are not known: {error}")

    def note(self, load_balancer: str, before: str, after: str, why: str) -> None:
        if load_balancer not in self._moves and len(self._moves) >= _LOAD_BALANCERS_MAX:
            del self._moves[next(iter(self._moves))]
        self._moves.setdefault(load_balancer, deque(maxlen=_KEPT)).append(Moved(self._wall(), before, after, why[:_WHY_MAX]))
        self._dirty = True
        if not self._writing:
            self._writing = True
            supervise(self._write(), "writing down why it moved", self._on_failure)

    def view(self, load_balancer: str) -> list[dict[str, Any]]:
        """The latest first."""
        known = reversed(self._moves.get(load_balancer, ()))
        return [{"at_s": int(one.at_s), "from": one.before, "to": one.after, "why": one.why} for one in known]

    async def settle(self, within_s: float) -> None:
        """Waits until all is written, or fails to be, for so long at most."""
        if self._writing:
            self._written.clear()
            try:
                await asyncio.wait_for(self._written.wait(), within_s)
            except asyncio.TimeoutError:
                say("warning", f"{self._path} was not written in time")

    async def _write(self) -> None:
        while self._dirty:
            self._dirty = False
            stored = {name: [asdict(one) for one in moves] for name, moves in self._moves.items()}
            content = json.dumps({"schema": _SCHEMA, "load_balancers": stored}, indent=1).encode()
            try:
                await asyncio.to_thread(self._replace, content)
                self._failed = False
            except OSError as error:
                if not self._failed:
                    say("warning", f"{self._path}: why it moved is not kept across a restart: {error.strerror}")
                self._failed = True
        self._writing = False
        self._written.set()

    def _replace(self, content: bytes) -> None:
        make_folder(self._path.parent, 0o750)
        write_atomically(self._path, content, 0o640)
