"""The limits of one backend that all workers count together: its own, and those of its servers. What is here costs only backends that have some."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Optional

from .interfaces import Places
from .servers import Seeker, ServerState


class SharedLimits:
    """``whole``: of the backend itself."""

    def __init__(self) -> None:
        self.whole: Optional[Places] = None
        self._servers: list[ServerState] = []

    def use(self, places: Mapping[str, Places], servers: Sequence[ServerState], active: int) -> None:
        """``places`` of a new document, by server's name, or "" for the backend itself; ``active``: how many are at the backend now."""
        self.whole = _instead(self.whole, places.get(""), active)
        for server in servers:
            server.places = _instead(server.places, places.get(server.name), server.active)
        self._servers = [server for server in servers if server.places is not None]

    @property
    def any(self) -> bool:
        return self.whole is not None or bool(self._servers)

    def take(self, server: ServerState, active: int, since: float) -> bool:
        """A place at the server and at the backend, or none at either."""
        if self.whole is not None and not self.whole.take(active, since):
            return False
        if server.places is not None and not server.places.take(server.active, since):
            if self.whole is not None:
                self.whole.hold(active)
            return False
        return True

    def publish(self, queue: Mapping[Seeker, int], own_queues: Sequence[ServerState], usable: Sequence[object]) -> None:
        """Tells the other workers how many wait, and since when the first of them does. ``queue``: for any of the ``usable`` servers; those that
        could not use a place do not count, or others would wait for them in vain."""
        general = _first(queue)
        if self.whole is not None:
            self.whole.wait(*_together([general, *(_first(server.queue) for server in own_queues)]))
        for server in self._servers:
            if server.places is not None:
                own = _first(server.queue) if usable else (0, 0.0)
                server.places.wait(*_together([general, own] if server in usable else [own]))


def _together(waiting: Sequence[tuple[int, float]]) -> tuple[int, float]:
    since = [begun for count, begun in waiting if count]
    return sum(count for count, _begun in waiting), min(since) if since else 0.0


def _first(queue: Mapping[Seeker, int]) -> tuple[int, float]:
    """(how many wait, since when the first of them does)"""
    for seeker in queue:
        return len(queue), seeker.since
    return 0, 0.0


def _instead(former: Optional[Places], new: Optional[Places], held: int) -> Optional[Places]:
    """What is counted from now on, and no longer where it was. (A new one may be the former one's row: first that is left.)"""
    if former is not None:
        former.wait(0, 0.0)
        if new is None:
            former.hold(0)
    if new is not None:
        new.hold(held)
    return new
