"""Servers that fail real requests: what workers count of that, added up, and when it is enough to take a server for down."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from ..._model import Document, Observe, duration_text

ServerKey = tuple[str, str]
_PARTS_MAX = 1000  # of one window; workers tell four times a second


class Observed:
    """Times in seconds."""

    def __init__(self) -> None:
        self._seen: dict[ServerKey, deque[tuple[float, int]]] = {}

    def add(self, document: Document, errors: Sequence[tuple[str, str, int]], now_s: float) -> dict[ServerKey, str]:
        """What a worker has counted since it told last: (backend's key, server, how many). Returns who has failed too often, and how."""
        enough = {}
        for key, name, count in errors:
            observe = document.backends[key].observe if key in document.backends else Observe()
            if not observe.errors or all(server.name != name for server in document.backends[key].members):
                continue
            if self._count((key, name), count, now_s, observe) >= observe.errors:
                del self._seen[key, name]
                enough[key, name] = f"{observe.errors} or more requests failed within {duration_text(observe.window_ms)}"
        return enough

    def keep_only(self, document: Document) -> None:
        """Forgets servers that are no longer stated, or no longer observed."""
        there = {(key, server.name) for key, backend in document.backends.items() if backend.observe.errors for server in backend.members}
        self._seen = {key: seen for key, seen in self._seen.items() if key in there}

    def _count(self, key: ServerKey, errors: int, now_s: float, observe: Observe) -> int:
        seen = self._seen.setdefault(key, deque(maxlen=_PARTS_MAX))
        seen.append((now_s, errors))
        while seen[0][0] < now_s - observe.window_ms / 1000:
            seen.popleft()
        return sum(part for _when, part in seen)
