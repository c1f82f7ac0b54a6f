"""Servers of frontends that the kernel serves, and the marks by which conntrack knows whose a connection is. Pure."""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass

from .._model import Document, Frontend

# The first byte of the marks of our connections; the other three are of one server of one frontend. REVERSED: of those that this node met from the
# server's side, so that the server counts as who began.
TAG, REVERSED, TAG_MASK, OURS_MASK = 0x54000000, 0x55000000, 0xFF000000, 0xFE000000
PLACE = 0x56000000  # of marks that stand for an address and port of a server, whatever frontends use it

# What operators and checks say together, by backend and server: up, down, drain, maint. Those not named are not checked yet.
States = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True)
class Target:
    """One server of one frontend. ``serves``: whether connections that it has may stay."""

    frontend: str
    server: str
    mark: int
    place: int
    address: str
    port: int
    serves: bool

    @property
    def version(self) -> int:
        return ipaddress.ip_address(self.address).version

    @property
    def reversed(self) -> int:
        return self.mark | REVERSED

    @property
    def counters(self) -> tuple[str, str, str]:
        """The names of its counters: connections, what clients sent it, and what it sent them."""
        rest = f"{self.frontend}/{self.server}"
        return f"new/{rest}", f"in/{rest}", f"out/{rest}"


def kernel_frontends(document: Document) -> dict[str, Frontend]:
    """The frontends that the kernel is to serve, by key."""
    return {key: one for key, one in sorted(document.frontends.items()) if one.enabled and one.forwarding == "kernel"}


def targets_of(document: Document, frontends: Mapping[str, Frontend], states: States) -> dict[str, tuple[Target, ...]]:
    """By frontend. Marks are drawn from what they stand for, so that they stay when others come and go."""
    marks, places = _Drawn(TAG), _Drawn(PLACE)
    found: dict[str, tuple[Target, ...]] = {}
    for key, frontend in frontends.items():
        backend = document.backends[f"{frontend.load_balancer}/{frontend.default_backend}"]
        own = []
        for server in sorted(backend.servers, key=lambda one: one.name):
            port = server.port or backend.port
            where = f"{server.address} {frontend.protocol} {port}"
            serves = states.get(backend.key, {}).get(server.name) in ("up", "drain")
            mark, place = marks.of(f"{key} {backend.name} {server.name} {where}"), places.of(where)
            own.append(Target(key, server.name, mark, place, server.address, port, serves))
        found[key] = tuple(own)
    return found


class _Drawn:
    """Marks by what they stand for. Of two that draw the same, the second that comes takes the next one."""

    def __init__(self, tag: int) -> None:
        self._tag = tag
        self._marks: dict[str, int] = {}
        self._taken: set[int] = set()

    def of(self, what: str) -> int:
        if what not in self._marks:
            number = int.from_bytes(hashlib.sha256(what.encode()).digest()[:3], "big")
            while number in self._taken:
                number = (number + 1) & ~TAG_MASK
            self._taken.add(number)
            self._marks[what] = self._tag | number
        return self._marks[what]
