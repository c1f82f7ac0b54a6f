"""What the table holds: the frontends that the kernel serves, each with its servers and their slots, as named sets, maps and chains. Pure."""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from .._model import Backend, Document, Server, listen_addresses
from .rules import Rules
from .slots import slots
from .target import States, Target, kernel_frontends, targets_of


@dataclass(frozen=True)
class Table:
    """``sets`` maps a set's or map's name to (what it is of, its elements), ``chains`` a chain's to (its hook, its rules)."""

    targets: tuple[Target, ...] = ()
    counters: frozenset[str] = frozenset()
    sets: Mapping[str, tuple[str, frozenset[str]]] = field(default_factory=dict)
    chains: Mapping[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.chains)

    @property
    def versions(self) -> frozenset[int]:
        """The families that the kernel must forward."""
        return frozenset(target.version for target in self.targets)


def table_of(document: Document, states: States, active: Collection[str], peers: Collection[str] = ()) -> Table:
    """What is to stand on this node; nothing without kernel frontends. ``active``: the load balancers for which the node is active; ``peers``: the
    hardware addresses of the other nodes, whose copies are believed.

    An address on an interface is served wherever the kernel has it, so a standby is ready in the moment in which it takes the address. One that
    is there already (``attach: none``) is served only while the node is active.
    """
    frontends = kernel_frontends(document)
    if not frontends:
        return Table()
    targets = targets_of(document, frontends, states)
    rules = Rules(peers)
    always_there = {one.ip for one in document.floating_ips.values() if one.attach == "none"}
    for key, frontend in frontends.items():
        backend = document.backends[f"{frontend.load_balancer}/{frontend.default_backend}"]
        by_address = backend.balance == "source" or backend.sticky.type == "source"
        for version in (4, 6):
            listens = [one for one in listen_addresses(document, frontend) if ipaddress.ip_address(one).version == version]
            served = [one for one in listens if one not in always_there or frontend.load_balancer in active]
            own = [target for target in targets[key] if target.version == version]
            if listens and own:
                rules.add(frontend, version, served, own, _slots(backend, own, states.get(backend.key, {})), by_address=by_address)
    return Table(tuple(target for own in targets.values() for target in own), *rules.whole())


def _slots(backend: Backend, own: Iterable[Target], states: Mapping[str, str]) -> tuple[str, ...]:
    known = {server.name: server for server in backend.servers}
    mine = [known[target.server] for target in own]
    usable = {server.name for server in mine if states.get(server.name) == "up"}
    return slots(_weights(mine, backup=False), usable, _weights(mine, backup=True))


def _weights(servers: Iterable[Server], *, backup: bool) -> dict[str, int]:
    return {server.name: server.weight for server in servers if server.backup is backup}


def table_name(prefix: str) -> str:
    """The table of the node below a prefix: several may live on one machine."""
    return "tandem" if prefix == "/" else f"tandem_{hashlib.sha256(prefix.encode()).hexdigest()[:8]}"
