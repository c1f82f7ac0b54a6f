"""One server while a worker runs, and who seeks one: options of now, who is at it, who waits for it, connections that lie idle, counters."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from typing import Optional

from ..._model import KeepaliveProbes, Server
from ...balance.sticky import server_mark
from ...metrics.counters import ServerCounters
from ...tls.contexts import ServerTls
from ..wheel import NEVER, Timed
from .interfaces import Idle, Places

# Where a server is, how it is spoken to, and in which form it is told ahead of each connection whose it is ("": not at all)
Place = tuple[str, int, Optional[ServerTls], str]
IDLE_MAX = 256  # idle connections kept per server and worker
IDLE_S = 30.0
# A server may close an idle connection in the very moment a request is sent on it. A request that must not be sent twice takes a connection that has
# lain no longer than this, and no longer than half of what the server is known to keep one.
UNSAFE_IDLE_S = 1.0
_UNSAFE_PART = 0.5


def share_of(limit: int, workers: int) -> int:
    """One worker's part of a limit of the node, rounded up; a limit of 0 is none."""
    return max(1, -(-limit // workers)) if limit else 0


def exact_share_of(limit: int, workers: int, index: int) -> int:
    """The same so that all shares make up the limit, for limits not below the number of workers, each of which has its index."""
    return max(1, limit // workers + (index < limit % workers)) if limit else 0


class Seeker(Timed):
    """Who wants a server of a backend. The fields are what the backend looks at; a subclass says what is done with the place.

    ``client`` is the address, ``cookie`` the content of the backend's cookie, ``tried`` those that failed it. ``waits_in`` is the queue it is in, and
    belongs to the backend.
    """

    def __init__(self, client: str) -> None:
        self.deadline, self.slot = NEVER, 0  # as Timed has it, without a call for each request
        self.client = client
        self.cookie = b""
        self.tried: tuple[ServerState, ...] = ()
        self.since = 0.0  # when it began to wait, where other workers have to know that
        self.waits_in: Optional[dict[Seeker, int]] = None

    def take_place(self, server: ServerState) -> None:
        """A place at this server has been taken for it; it is to be given back with ``BackendState.release``."""
        raise NotImplementedError

    def choose_again(self) -> None:
        """The backend that it waited for is no longer stated."""
        raise NotImplementedError

    def break_off(self, why: str) -> None:
        """What it does at its server is to end at once."""
        raise NotImplementedError


class ServerState:
    """One server as this worker sees it. ``backend_key`` is its backend's."""

    def __init__(self, backend_key: str, config: Server, place: Place, limit: int) -> None:
        self.name = config.name
        self.mark = server_mark(backend_key, config.name)
        self.up = False  # and not in maintenance
        self.takes_new = True  # clients that are bound to none; an operator decides, beside its weight
        self.up_since = -NEVER  # when it came up after it was down; of one that never was, that is long ago
        self._was_down = False
        self.keeps_bound = True  # its own clients may come back to it
        self.gone = False
        self.active = 0
        self.idle: list[Idle] = []
        self.keeps_s = NEVER  # for how long it is known to keep an idle connection, from its closes
        self.seekers: set[Seeker] = set()
        self.queue: dict[Seeker, int] = {}  # who is bound to this server and waits for it, in the order of their coming
        self.counters = ServerCounters()
        self.weight = 0
        self.limit = 0
        self.probes: Optional[KeepaliveProbes] = None  # for new connections
        self.errors_told = 0  # of those that ``observe`` counts
        self.places: Optional[Places] = None  # where all workers count them together, which ``limit`` then says nothing of
        self.address, self.port, self.header = "", 0, ""
        self.place: Place = ("", 0, None, "")
        self.session: Optional[ssl.SSLSession] = None  # of the last connection, to be resumed by the next
        self.configure(config, place, limit)

    def configure(self, config: Server, place: Place, limit: int) -> None:
        """``limit``: how many this worker may have there, 0 for any number."""
        self.config = config
        self.own_weight = self.weight = config.weight
        self.own_limit = self.limit = limit
        self.move_to(place)

    def move_to(self, place: Place) -> bool:
        """What begins from now on begins there: connections to a former place end with what they are used for. Returns whether it is another one."""
        if place == self.place:
            return False
        self.place = place
        self.address, self.port, self.header = place[0], place[1], place[3]
        self.session = None
        self.keeps_s = NEVER
        self.close_idle()
        return True

    def new_errors(self, *, count_5xx: bool) -> int:
        """Failed requests since this was asked last."""
        errors = self.counters.connect_errors + self.counters.response_errors + (self.counters.responses_5xx if count_5xx else 0)
        new, self.errors_told = max(0, errors - self.errors_told), errors
        return new

    def note(self, now: float, *, known: bool) -> None:
        """Whether it is up has been looked at; ``known``: it is not down for want of knowledge, as in a worker that has just begun."""
        if self.up and self._was_down:
            self.up_since, self._was_down = now, False
        elif not self.up and known:
            self._was_down = True

    def follow_agent(self, said: Optional[Sequence[int]], in_hundredths: bool, workers: int) -> None:
        """Takes what its agent has said: percent of its weight, and a limit, -1 for its own; None: nothing.

        Where one of the backend's agents has said something, all weights count in hundredths, so that a part of a weight of 1 is something.
        """
        share, limit = (said[0], said[1]) if said is not None else (100 if in_hundredths else 1, -1)
        self.own_weight = self.weight = self.config.weight * share
        self.limit = self.own_limit if limit < 0 else share_of(limit, workers)

    @property
    def full(self) -> bool:
        if self.limit and self.active >= self.limit:
            return True
        return self.places is not None and not self.places.free()

    def pooled(self, now: float, repeatable: bool) -> Optional[Idle]:
        """An idle connection: the one used last, since it is the likeliest to be whole. ``repeatable``: the request may be sent again elsewhere."""
        most_s = self._most_s(repeatable)
        while self.idle:
            connection = self.idle[-1]
            if not connection.usable:
                self.idle.pop().close()
                continue
            lain_s = now - connection.idle_since
            self.keeps_s = max(self.keeps_s, lain_s)  # it keeps them longer than was thought
            if lain_s <= most_s:
                return self.idle.pop()
            break
        return None

    def _most_s(self, repeatable: bool) -> float:
        """How long a connection may have lain idle that a request is sent on."""
        return IDLE_S if repeatable else min(UNSAFE_IDLE_S, self.keeps_s * _UNSAFE_PART)

    def take(self, connection: Idle, now: float, repeatable: bool) -> bool:
        """Takes this one out of the pool, and says whether it is good for a request; else it is closed."""
        if not self.forget(connection):
            return False
        if connection.usable and now - connection.idle_since <= self._most_s(repeatable):
            return True
        connection.close()
        return False

    def forget(self, connection: Idle) -> bool:
        """Whether it was in the pool, where it is no more."""
        known = connection in self.idle
        if known:
            self.idle.remove(connection)
        return known

    def lend_back(self, connection: Idle, place: Place) -> bool:
        """Takes a connection to ``place`` into the pool, if it has a use there."""
        if self.gone or not self.up or not self.keeps_bound or len(self.idle) >= IDLE_MAX or place != self.place:
            return False
        self.idle.append(connection)
        return True

    def lost_idle(self, connection: Idle, now: float) -> None:
        """The server closed a connection that lay idle: it learns us how long it keeps them."""
        if connection in self.idle:
            self.idle.remove(connection)
        self.closed_after(now - connection.idle_since)

    def closed_after(self, lain_s: float) -> None:
        self.keeps_s = min(self.keeps_s, max(lain_s, 0.0))

    def retire(self) -> None:
        """The server is no longer stated: what runs goes on, nothing new begins."""
        self.gone = True
        self.up = False
        self.close_idle()
        if self.places is not None:
            self.places.wait(0, 0.0)

    def close_idle(self) -> None:
        """Ends the connections nobody uses."""
        idle, self.idle = self.idle, []
        for connection in idle:
            connection.close()
