"""Who waits at one backend: for any server, or in one server's own queue for that one. How many wait does not make a place dearer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Optional

from .servers import Seeker, ServerState


class Queues:
    """Seekers by the number of their coming, which grows."""

    def __init__(self) -> None:
        self.general: dict[Seeker, int] = {}
        self.own: dict[ServerState, None] = {}  # servers whose own queue is not empty, or was so until just now
        self.waiting = 0  # in all queues
        self.most = 0  # that there ever were
        self._came = 0

    def come(self, seeker: Seeker, awaited: Optional[ServerState]) -> None:
        """The last of all; ``awaited``: the one server that it can only wait for."""
        self._came += 1
        self.put(seeker, self._came, awaited)
        self.most = max(self.most, self.waiting)

    def put(self, seeker: Seeker, number: int, awaited: Optional[ServerState]) -> None:
        """Where its number says, if it was there before."""
        if awaited is None:
            queue = self.general
        else:
            queue = awaited.queue
            self.own[awaited] = None
        queue[seeker] = number
        seeker.waits_in = queue
        self.waiting += 1

    def leave(self, seeker: Seeker) -> bool:
        """Whether it was there."""
        queue, seeker.waits_in = seeker.waits_in, None
        if queue is None or queue.pop(seeker, None) is None:
            return False
        self.waiting -= 1
        return True

    def move(self, seeker: Seeker, awaited: Optional[ServerState]) -> bool:
        """Lets it wait where it belongs by now; whether that is elsewhere."""
        queue = self.general if awaited is None else awaited.queue
        former = seeker.waits_in
        if former is None or queue is former:
            return False
        number = former[seeker]
        self.leave(seeker)
        self.put(seeker, number, awaited)
        return True

    def take_all(self) -> list[Seeker]:
        """All, in the order of their coming, and none of them waits any more."""
        waiting = list(self.general.items())
        for server in self.own:
            waiting += server.queue.items()
            server.queue = {}
        self.general, self.own, self.waiting = {}, {}, 0
        waiting.sort(key=lambda item: item[1])
        for seeker, _number in waiting:
            seeker.waits_in = None
        return [seeker for seeker, _number in waiting]

    def first(self, refused: Sequence[dict[Seeker, int]], *, has_room: bool) -> Optional[Seeker]:
        """Who came first of those for whom a place is free, but for queues that have been ``refused`` one; ``has_room``: at any server."""
        first: Optional[Seeker] = None
        came = self._came + 1
        for server in list(self.own):
            if not server.queue:
                del self.own[server]
            elif server.up and not server.full and not any(queue is server.queue for queue in refused):
                seeker, number = next(iter(server.queue.items()))
                if number < came:
                    first, came = seeker, number
        if self.general and has_room and not any(queue is self.general for queue in refused):
            seeker, number = next(iter(self.general.items()))
            if number < came:
                first = seeker
        return first
