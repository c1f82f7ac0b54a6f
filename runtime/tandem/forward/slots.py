"""Which server takes which slot. Pure. A connection's slot is a hash of its client that the kernel computes, the same on every node.

Two steps, so that little moves when little happens. First every server that is stated has a home: its share of the slots by weight, whatever its
state. Then the slots of those that cannot be used go to others, and come home when these are back. So a server that goes down, or is drained, moves
its own share and no other; only a change of the servers stated, or of their weights, makes homes anew, and then most of them stay.
"""

from __future__ import annotations

import functools
import hashlib
import math
from collections.abc import Collection, Mapping

SLOTS = 251  # a prime, so that no pattern in ports meets it; each server's share is exact to half a slot


def slots(weights: Mapping[str, int], usable: Collection[str], backups: Mapping[str, int]) -> tuple[str, ...]:
    """The server of each slot; empty where there is none. ``weights`` of the regular servers and of those that only stand in for all of them."""
    regular = _positive(weights)
    standing = {name: weight for name, weight in regular.items() if name in usable}
    if not standing:
        standing = {name: weight for name, weight in _positive(backups).items() if name in usable}
    if not standing:
        return ()
    settled = homes(tuple(regular.items())) if regular else ("",) * SLOTS
    return tuple(home if home in standing else preferred(slot, standing)[0] for slot, home in enumerate(settled))


@functools.lru_cache(maxsize=1024)
def homes(stated: tuple[tuple[str, int], ...]) -> tuple[str, ...]:
    """A server for each slot, each with its share: slots propose to the servers in the order of their preference, and one that has more than its
    share keeps those that prefer it most (Gale and Shapley, 1962). ``stated``: servers and their weights, one or more."""
    weights = dict(stated)
    room = _shares(weights)
    orders = [preferred(slot, weights) for slot in range(SLOTS)]
    asked = [0] * SLOTS
    held: dict[str, list[tuple[float, int]]] = {name: [] for name in weights}
    waiting = list(range(SLOTS))
    while waiting:
        slot = waiting.pop()
        name = orders[slot][asked[slot]]
        asked[slot] += 1
        held[name].append((_score(slot, name, 1), slot))
        if len(held[name]) > room[name]:
            weakest = min(held[name])
            held[name].remove(weakest)
            waiting.append(weakest[1])
    found = [""] * SLOTS
    for name, taken in held.items():
        for _preference, slot in taken:
            found[slot] = name
    return tuple(found)


def preferred(slot: int, weights: Mapping[str, int]) -> list[str]:
    """The servers in the order in which a slot would have them: weighted rendezvous hashing (Thaler and Ravishankar, 1998; Schindelhauer and
    Schomaker, 2005, for weights)."""
    return sorted(weights, key=lambda name: (-_score(slot, name, weights[name]), name))


def _score(slot: int, name: str, weight: int) -> float:
    drawn = int.from_bytes(hashlib.blake2b(f"{slot} {name}".encode(), digest_size=8).digest(), "big")
    return -weight / math.log((drawn + 1) / (2**64 + 1))


def _shares(weights: Mapping[str, int]) -> dict[str, int]:
    """How many slots each server has: in all SLOTS, by weight, what is left over to the largest remainders."""
    total = sum(weights.values())
    shares = {name: SLOTS * weight // total for name, weight in weights.items()}
    by_remainder = sorted(weights, key=lambda name: (-(SLOTS * weights[name] % total), name))
    for name in by_remainder[: SLOTS - sum(shares.values())]:
        shares[name] += 1
    return shares


def _positive(weights: Mapping[str, int]) -> dict[str, int]:
    return {name: weights[name] for name in sorted(weights) if weights[name] > 0}
