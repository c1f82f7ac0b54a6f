"""Which server takes the next client. Pure: servers are anything with the attributes of ``Candidate``.

All choices that depend on a client (``source``, sticky sessions) are rendezvous hashing, so that every worker and both nodes choose alike
without talking, and a server's coming or going moves only the clients that must move (Thaler and Ravishankar, 1998; weights after Schindelhauer
and Schomaker, 2005).
"""

from __future__ import annotations

import bisect
import functools
import hashlib
import itertools
import math
import random
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Optional, Protocol, TypeVar

_TURNS_MAX = 4096
_DRAWS_MAX = 8


class Candidate(Protocol):
    """What a choice looks at: ``active`` counts the server's connections now, ``full`` says that its limit is reached."""

    name: str
    weight: int
    active: int

    @property
    def full(self) -> bool: ...


C = TypeVar("C", bound=Candidate)


class _Equals:
    """Servers of one weight. The one at ``next`` has had no more turns than the others, so ``credit``, its own, is the highest of them."""

    __slots__ = ("credit", "members", "next", "share")

    def __init__(self, share: int) -> None:
        self.share = share
        self.members: list[int] = []
        self.next = self.credit = 0


def smooth_turns(weights: Sequence[int]) -> Iterator[int]:
    """Indexes in smooth weighted round-robin order (as nginx interleaves them), once through: 5, 1, 1 gives 0 0 1 0 2 0 0. Weight 0 has no turn.

    In each turn all earn credit by their weight, and who has most pays for all. Those of one weight take turns among themselves, so that a turn
    costs as much as there are different weights, not servers.
    """
    divisor = math.gcd(*weights) or 1
    shares = [weight // divisor for weight in weights]
    total = sum(shares)
    if total > _TURNS_MAX:
        shares = [max(1, share * _TURNS_MAX // total) if share else 0 for share in shares]
        total = sum(shares)
    groups = {share: _Equals(share) for share in shares if share}
    for index, share in enumerate(shares):
        if share:
            groups[share].members.append(index)
    for _turn in range(total):
        for group in groups.values():
            group.credit += group.share
        best = max(groups.values(), key=_standing)
        yield best.members[best.next]
        best.next += 1
        if best.next == len(best.members):
            best.next = 0
            best.credit -= total


def _standing(group: _Equals) -> tuple[int, int]:
    return group.credit, -group.members[group.next]


@functools.lru_cache(maxsize=65536)
def _draw(client: str, server: str) -> float:
    """A number in (0, 1) that is the same on every node for this pair."""
    digest = hashlib.blake2b(f"{client}\0{server}".encode(), digest_size=8).digest()
    return (int.from_bytes(digest, "big") + 1) / (2**64 + 1)


def rendezvous(client: str, candidates: Collection[C]) -> Optional[C]:
    """The candidate whose weighted draw for this client is highest; None without candidates of weight above 0."""
    best: Optional[C] = None
    best_score = -1.0
    for candidate in candidates:
        if candidate.weight:
            score = -candidate.weight / math.log(_draw(client, candidate.name))
            if score > best_score:
                best, best_score = candidate, score
    return best


def _load(candidate: Candidate) -> float:
    return (candidate.active + 1) / candidate.weight


class Balancer:
    """Chooses among the candidates of one backend; ``usable`` is set anew whenever a server's health or options change."""

    def __init__(self, method: str, chance: Callable[[], float] = random.random) -> None:
        """``chance()``: a number from 0 up to 1, for ``random``."""
        self.method = method
        self._chance = chance
        self._sums: list[int] = []  # of the weights up to each candidate
        self._usable: list[Candidate] = []
        self._weights: list[int] = []
        # The turns are found as they come, and kept: finding all at once would stall a worker for the tenth of a second with hundreds of weights.
        self._ring: list[Candidate] = []
        self._all_turns_found = False
        self._turns: Iterator[Candidate] = iter(())
        self._turn = 0
        self._attempts = range(0)

    def use(self, candidates: Sequence[Candidate]) -> None:
        """The servers that may be chosen now, in the order of the backend. Nothing begins anew if they and their weights are as before."""
        usable = [candidate for candidate in candidates if candidate.weight]
        weights = [candidate.weight for candidate in usable]
        if usable == self._usable and weights == self._weights:
            return
        self._usable, self._weights = usable, weights
        self._sums = list(itertools.accumulate(weights)) if self.method == "random" else []
        # Not always from the first, or it would get more than its share where servers come and go often.
        first = self._turn % len(usable) if usable else 0
        order = usable[first:] + usable[:first]
        self._ring, self._turn, self._all_turns_found = [], -1, False
        self._attempts = range(_TURNS_MAX + len(usable) if usable else 0)  # once through the ring, at least
        self._turns = map(order.__getitem__, smooth_turns([candidate.weight for candidate in order]))

    def usable(self) -> list[Candidate]:
        """Those that may be chosen, full or not."""
        return self._usable

    def has_room(self) -> bool:
        """Whether one of those that may be chosen is not full."""
        return any(not candidate.full for candidate in self._usable)

    def choose(self, client: str, tried: Collection[Candidate] = ()) -> Optional[Candidate]:
        """A server that is not full, and not among ``tried`` while there is another; None when all are full or there is none."""
        if not tried:
            # Nearly always: the next in turn is known, and has room.
            turn, ring = self._turn + 1, self._ring
            if turn == len(ring) and self._all_turns_found:
                turn = 0
            if turn < len(ring) and not ring[turn].full:
                self._turn = turn
                return ring[turn]
        chosen = self._choose(client, tried)
        return self._choose(client, ()) if chosen is None and tried else chosen

    def _choose(self, client: str, tried: Collection[Candidate]) -> Optional[Candidate]:
        if self.method == "roundrobin":
            return self._next_in_turn(tried)
        if self.method == "random":
            drawn = self._of_two_drawn(tried)
            if drawn is not None:
                return drawn
        free = [candidate for candidate in self._usable if not candidate.full and candidate not in tried]
        if not free:
            return None
        if self.method == "first":
            return free[0]
        if self.method == "source":
            return rendezvous(client, free)
        # leastconn; equals take turns, or the first would get every connection of an idle backend
        self._turn += 1
        start = self._turn % len(free)
        return min(free[start:] + free[:start], key=_load)

    def _of_two_drawn(self, tried: Collection[Candidate]) -> Optional[Candidate]:
        """The one with less to do of two that are drawn by their weights: far better than one, at the cost of a second draw (Mitzenmacher, 2001).

        None where several draws did not find one: then most are full, and all are looked at.
        """
        first: Optional[Candidate] = None
        for _draw in range(_DRAWS_MAX if self._sums else 0):
            candidate = self._usable[bisect.bisect_right(self._sums, int(self._chance() * self._sums[-1]))]
            if candidate is first or candidate.full or candidate in tried:
                continue
            if first is not None:
                return min(first, candidate, key=_load)
            first = candidate
        return first

    def _next_in_turn(self, tried: Collection[Candidate]) -> Optional[Candidate]:
        ring = self._ring
        for attempt in self._attempts:
            self._turn += 1
            if self._turn >= len(ring):
                found = next(self._turns, None)
                if found is None:
                    self._turn, self._all_turns_found = 0, True
                else:
                    ring.append(found)
            candidate = ring[self._turn]
            if not candidate.full and candidate not in tried:
                return candidate
            if attempt == len(self._usable) and not any(not candidate.full and candidate not in tried for candidate in self._usable):
                return None
        return None
