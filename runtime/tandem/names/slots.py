"""Which of a name's addresses belongs to which server. Pure.

A server keeps its address for as long as the name has it, whatever is added or in which order they come. What becomes free is filled in the order of
the addresses, so that nodes that learn the same at once decide alike.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Mapping, Sequence


def assigned(servers: Sequence[tuple[str, bool]], have: Mapping[str, str], addresses: Sequence[str]) -> dict[str, str]:
    """The address of each server of one name. ``servers``: (name, whether nobody else may have its address); ``have``: what they had before.

    Those that need not be alone share with the fewest where there are more servers than addresses; who must be alone and finds none left out.
    """
    there = set(addresses)
    taken = {name: have[name] for name, _alone in servers if have.get(name) in there}
    users = Counter(taken.values())
    free = sorted(there, key=_in_order)
    for name, alone in servers:
        if name in taken or not free:
            continue
        best = min(free, key=lambda address: users[address])  # of equals the first
        if not alone or not users[best]:
            taken[name] = best
            users[best] += 1
    return taken


def _in_order(address: str) -> tuple[int, int]:
    ip = ipaddress.ip_address(address)
    return ip.version, int(ip)
