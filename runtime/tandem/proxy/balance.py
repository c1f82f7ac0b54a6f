"""Which server takes the next client. Pure: servers are anything with the attributes of ``Candidate``.

All choices that depend on a client (``source``, sticky sessions) are rendezvous hashing, so that every worker and both nodes choose alike
without talking, and a server's coming or going moves only the clients that must move (Thaler and Ravishankar, 1998; weights after Schindelhauer
and Schomaker, 2005).
"""

from __future__ import annotations

import functools
import hashlib
import math
from collections.abc import Collection, Sequence
from typing import Optional, Protocol, TypeVar

_RING_MAX = 4096


class Candidate(Protocol):
    """What a choice looks at: ``active`` counts the server's connections now, ``full`` says that its limit is reached."""

    name: str
    weight: int
    active: int

    @property
    def full(self) -> bool: ...


C = TypeVar("C", bound=Candidate)


def smooth_ring(weights: Sequence[int]) -> list[int]:
    """Indexes in smooth weighted round-robin order (as nginx interleaves them): 5, 1, 1 gives 0 0 1 0 2 0 0. Weight 0 does not appear."""
    divisor = math.gcd(*weights) if len(weights) > 1 else max(1, *weights, 1)
    shares = [weight // (divisor or 1) for weight in weights]
    total = sum(shares)
    if total > _RING_MAX:
        shares = [max(1, share * _RING_MAX // total) if share else 0 for share in shares]
        total = sum(shares)
    current = [0] * len(shares)
    ring = []
    for _turn in range(total):
        current = [have + share for have, share in zip(current, shares)]
        best = max(range(len(shares)), key=lambda index: (current[index], -index))
        current[best] -= total
        ring.append(best)
    return ring


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


class Balancer:
    """Chooses among the candidates of one backend; ``usable`` is set anew whenever a server's health or options change."""

    def __init__(self, method: str) -> None:
        self.method = method
        self._usable: list[Candidate] = []
        self._ring: list[Candidate] = []
        self._turn = 0

    def use(self, candidates: Sequence[Candidate]) -> None:
        """The servers that may be chosen now, in the order of the backend."""
        self._usable = [candidate for candidate in candidates if candidate.weight]
        order = smooth_ring([candidate.weight for candidate in self._usable]) if self._usable else []
        self._ring = [self._usable[index] for index in order]
        self._turn = self._turn % len(self._ring) if self._ring else 0

    def usable(self) -> list[Candidate]:
        """Those that may be chosen, full or not."""
        return self._usable

    def choose(self, client: str, tried: Collection[Candidate] = ()) -> Optional[Candidate]:
        """A server that is not full, and not among ``tried`` while there is another; None when all are full or there is none."""
        chosen = self._choose(client, tried)
        return self._choose(client, ()) if chosen is None and tried else chosen

    def _choose(self, client: str, tried: Collection[Candidate]) -> Optional[Candidate]:
        if self.method == "roundrobin":
            return self._next_in_turn(tried)
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
        return min(free[start:] + free[:start], key=lambda candidate: (candidate.active + 1) / candidate.weight)

    def _next_in_turn(self, tried: Collection[Candidate]) -> Optional[Candidate]:
        ring = self._ring
        for _attempt in range(len(ring)):
            self._turn += 1
            if self._turn >= len(ring):
                self._turn = 0
            candidate = ring[self._turn]
            if not candidate.full and candidate not in tried:
                return candidate
        return None
