"""Which servers went up or down since somebody asked last. Pure; bounded: who asks too seldom misses the oldest."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

_KEPT = 1000
_TOLD_AT_ONCE = 100

News = list[tuple[str, str, bool]]


class ServerNews:
    """Whoever asks keeps a place, which ``now`` is the first of."""

    def __init__(self) -> None:
        self._known: dict[str, dict[str, bool]] = {}
        self._news: deque[tuple[int, str, str, bool]] = deque(maxlen=_KEPT)
        self.now = 0

    def take(self, health: Mapping[str, Mapping[str, bool]]) -> None:
        """Who is up, of the backends in which something has changed. That a new server is up is no news."""
        for backend, servers in health.items():
            known = self._known.get(backend, {})
            for server, up in servers.items():
                if up != known.get(server, True):
                    self.now += 1
                    self._news.append((self.now, backend, server, up))
            self._known[backend] = dict(servers)

    def forget_all_but(self, backends: Mapping[str, object]) -> None:
        self._known = {backend: known for backend, known in self._known.items() if backend in backends}

    def since(self, place: int) -> tuple[int, News]:
        """What has happened after that place, as much as is told at once, and the place after it."""
        found = [(number, backend, server, up) for number, backend, server, up in self._news if number > place][:_TOLD_AT_ONCE]
        return (found[-1][0] if found else place), [(backend, server, up) for _number, backend, server, up in found]
