"""A frontend's ACLs, which are by source network where the kernel serves it, as rules for new connections. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence
from typing import Any

from .._model import Frontend


def access(frontend: Frontend, ip: str, version: int, serving: str) -> list[str]:
    """The rules that lead to the chain ``serving``, or drop; empty without ACLs. The first one that matches counts."""
    if not frontend.acls and frontend.acl_default == "allow":
        return []
    rules = []
    for acl in frontend.acls:
        does = f"goto {serving}" if acl.action == "allow" else "drop"
        rules += [f"{condition}{does}" for condition in _condition(acl.sources, ip, version, invert=acl.invert)]
    return [*rules, f"goto {serving}" if frontend.acl_default == "allow" else "drop"]


def _condition(sources: Sequence[str], ip: str, version: int, *, invert: bool) -> Iterator[str]:
    """What a client's address is asked, with a blank behind; nothing where none of this family can match."""
    mine: list[Any] = [network for network in map(ipaddress.ip_network, sources) if network.version == version]
    every = not sources or any(not network.prefixlen for network in mine)
    if every or not mine:
        # Of another family's networks alone, no client of this one is a part.
        if every is not invert:
            yield ""
        return
    listed = ", ".join(map(str, ipaddress.collapse_addresses(mine)))
    yield f"{ip} saddr {'!= ' if invert else ''}{{ {listed} }} "
