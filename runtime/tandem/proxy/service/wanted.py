"""Where a document wants this node to listen. Pure; ``listeners`` binds it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Optional

from ..._model import Document, endpoints, listen_addresses
from ...tls.materials import Pairs, can_serve

Place = tuple[str, int]  # an address and a port


@dataclass(frozen=True, order=True)
class Wanted:
    """One address and port that a frontend listens on. ``only_active``: bound only while this node holds the address."""

    frontend: str
    address: str
    port: int
    only_active: bool

    @property
    def place(self) -> Place:
        return (self.address, self.port)

    @property
    def endpoint(self) -> str:
        return endpoints([self.address], self.port)[0]

    @property
    def load_balancer(self) -> str:
        return self.frontend.partition("/")[0]


def wanted_listeners(document: Document, active: Collection[str], pairs: Optional[Pairs] = None) -> list[Wanted]:
    """Where this node listens while it is active for the load balancers ``active``; with ``pairs``, as far as those certificates let it serve. What
    the kernel serves needs no listener."""
    unattached = {floating_ip.ip for floating_ip in document.floating_ips.values() if floating_ip.attach == "none"}
    found = []
    for key, frontend in sorted(document.frontends.items()):
        if not frontend.enabled or frontend.forwarding == "kernel" or (pairs is not None and not can_serve(frontend, pairs)):
            continue
        for address in listen_addresses(document, frontend):
            only_active = address in unattached
            if not only_active or frontend.load_balancer in active:
                found.append(Wanted(key, address, frontend.port, only_active))
    return found
