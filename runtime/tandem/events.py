"""What has happened on this node, for who comes later: moves, health, loaded generations. A line of JSON each, in two files of bounded size that
outlive restarts: when one is full it becomes the former one. The log says more, and is not ours to keep.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from ._files import make_folder, set_mode
from ._paths import Paths
from .log import say
from .pace import in_thread

FILE_BYTES_MAX = 256 * 1024
_RECENT = 50
_WAITING_MAX = 1000  # between two writings; what is more is only counted
_PAUSE_S = 0.2
_TEXT_MAX = 500

_books: list[Chronicle] = []  # one, or none


def note(kind: str, about: str, text: str) -> None:
    """Something has happened. ``kind``: service, generation, role, state, peer, server, operator, worker or certificate; ``about``: the object, by
    its key. Called in the service's loop; where no chronicle is kept, nothing is done."""
    if _books:
        _books[-1].note(kind, about, text)


class Chronicle:
    """``wall_clock``: seconds since 1970."""

    def __init__(self, paths: Paths, wall_clock: Callable[[], float] = time.time) -> None:
        self._paths = paths
        self._wall_clock = wall_clock
        self._waiting: list[dict[str, Any]] = []
        self._lost = 0
        self._taking, self._writing = threading.Lock(), threading.Lock()
        self._due = asyncio.Event()
        self.recent: deque[dict[str, Any]] = deque(maxlen=_RECENT)  # the last ones, of former lives too

    @contextlib.contextmanager
    def kept(self) -> Iterator[None]:
        """Within it, what is noted anywhere in the service is written here. The folder is there from now on: whoever removes the runtime sees it."""
        with contextlib.suppress(OSError):  # the first writing will say so
            make_folder(self._paths.state, 0o755)
        _books.append(self)
        try:
            yield
        finally:
            _books.remove(self)
            self._flush()

    def note(self, kind: str, about: str, text: str) -> None:
        event = {"time": stamp(self._wall_clock()), "kind": kind, "about": about, "text": text[:_TEXT_MAX]}
        self.recent.append(event)
        with self._taking:
            if len(self._waiting) < _WAITING_MAX:
                self._waiting.append(event)
            else:
                self._lost += 1
        self._due.set()

    async def keep(self) -> None:
        """Writes what is noted, for ever."""
        self.recent.extendleft(reversed((await in_thread(read, self._paths))[-_RECENT:]))
        while True:
            await self._due.wait()
            self._due.clear()
            await in_thread(self._flush)
            await asyncio.sleep(_PAUSE_S)  # what comes in a crowd is written at once

    def _flush(self) -> None:
        """Writes what waits: in a thread, which takes it itself, so that nothing is lost where the loop ends before that has begun."""
        with self._writing:
            self._write(self._taken())

    def _taken(self) -> list[dict[str, Any]]:
        with self._taking:
            taken, self._waiting = self._waiting, []
            if self._lost:
                taken.append({**taken[-1], "kind": "service", "about": "", "text": f"{self._lost} further events were not kept"})
                self._lost = 0
        return taken

    def _write(self, events: Iterable[dict[str, Any]]) -> None:
        lines = "".join(json.dumps(event) + "\n" for event in events)
        if not lines:
            return
        path = self._paths.events
        try:
            make_folder(path.parent, 0o755)
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_size + len(lines) > FILE_BYTES_MAX:
                    path.rename(self._paths.former_events)
            handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                set_mode(handle, 0o640)
                file.write(lines)
        except OSError as error:
            say("warning", f"{path}: events are not kept: {error.strerror}")


def read(paths: Paths) -> list[dict[str, Any]]:
    """All that are kept, the oldest first. What cannot be read is left out. Raises PermissionError."""
    found = []
    for path in (paths.former_events, paths.events):
        for line in _lines(path):
            with contextlib.suppress(ValueError):
                event = json.loads(line)
                if isinstance(event, dict) and all(isinstance(event.get(name), str) for name in ("time", "kind", "about", "text")):
                    found.append(event)
    return found


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []


def stamp(wall_s: float) -> str:
    """A time as RFC 3339 has it, in UTC, to the millisecond."""
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(wall_s))}.{int(wall_s * 1000) % 1000:03d}Z"
