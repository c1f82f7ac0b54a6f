# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The rules between objects: what a whole document must satisfy before anything is written or loaded. Those of one backend or frontend stand
in ``_backend_rules`` and ``_frontend_rules``.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator

from . import _tls_rules as tls
from ._backend_rules import check_backend
from ._document import Document, describe, listen_addresses
from ._frontend import Frontend
from ._frontend_rules import check_frontend
from ._names import is_localhost, is_name
from ._objects import LoadBalancer
from ._observe_rules import check_observe
from ._problems import Problem, known
from ._texts import unencodable_texts
from ._values import duration_text, in_pool


def check_document(document: Document) -> list[Problem]:
    """Every broken rule of the document; an empty list when it can be used."""
    problems = [*unencodable_texts(document), *_floating_ips(document)]
    for load_balancer in document.load_balancers.values():
        problems += _load_balancer(document, load_balancer)
    problems += _shared_virtual_routers(document)
    for certificate in document.certificates.values():
        problems += _unknown_load_balancer(document, describe("certificates", certificate.key), certificate.load_balancer)
        problems += tls.certificate(certificate)
    for backend in document.backends.values():
        problems += _unknown_load_balancer(document, describe("backends", backend.key), backend.load_balancer)
        problems += check_backend(document, backend)
    for frontend in document.frontends.values():
        problems += _unknown_load_balancer(document, describe("frontends", frontend.key), frontend.load_balancer)
        problems += check_frontend(document, frontend)
    problems += _claims(document)
    problems += _loops(document)
    return problems


def _floating_ips(document: Document) -> Iterator[Problem]:
    holders: dict[str, str] = {}
    for key, floating_ip in sorted(document.floating_ips.items()):
        where = describe("floating_ips", key)
        if floating_ip.ip in holders:
            rule = f"which {describe('floating_ips', holders[floating_ip.ip])} has already"
            yield Problem(
                where,
                "address",
                floating_ip.ip,
                rule,
                "Give each floating IP an address of its own, or use the other one.",
            )
        holders.setdefault(floating_ip.ip, key)
        if floating_ip.pool and not in_pool(floating_ip.pool, floating_ip.address):
            rule = f"which is not of its pool {floating_ip.pool}"
            yield Problem(
                where, "address", floating_ip.address, rule, 'Give an address of the pool with its prefix length, or pool: "" to do without.'
            )


def _load_balancer(document: Document, load_balancer: LoadBalancer) -> Iterator[Problem]:
    where = describe("load_balancers", load_balancer.key)
    for name in load_balancer.floating_ips:
        if name not in document.floating_ips:
            rule = f"but there is no such floating IP; {known(document.floating_ips, name)}"
            yield Problem(
                where,
                "floating_ips",
                name,
                rule,
                "Add a task with tandem.lb.floating_ip before this one, or correct the name.",
            )
        for other in document.load_balancers.values():
            if other.key < load_balancer.key and name in other.floating_ips:
                rule = f"which {describe('load_balancers', other.key)} uses already"
                yield Problem(
                    where,
                    "floating_ips",
                    name,
                    rule,
                    "A floating IP serves one load balancer: take it from the other first.",
                )
    yield from _nodes(document, load_balancer, where)
    yield from _track(load_balancer, where)
    yield from _heartbeat(load_balancer, where)
    yield from check_observe(document, load_balancer)


def _nodes(document: Document, load_balancer: LoadBalancer, where: str) -> Iterator[Problem]:
    names = [node.node for node in load_balancer.nodes]
    addresses = [node.address for node in load_balancer.nodes]
    if len(set(names)) < len(names):
        yield Problem(
            where,
            "backup.node",
            names[-1],
            "which is the master too",
            "Name two hosts: one alone cannot take over from itself.",
        )
    if len(set(addresses)) < len(addresses):
        yield Problem(where, "backup.address", addresses[-1], "which is the master's too", "Give each node its own address.")
    if len({ipaddress.ip_address(address).version for address in addresses}) > 1:
        yield Problem(
            where,
            "backup.address",
            addresses[-1],
            "which is of another family than the master's",
            "Give both IPv4 or both IPv6.",
        )
    floating = {document.floating_ips[name].ip for name in load_balancer.floating_ips if name in document.floating_ips}
    for address in sorted(floating & set(addresses)):
        rule = "which is a floating IP of this load balancer"
        yield Problem(
            where,
            "master.address or backup.address",
            address,
            rule,
            "Give the node's own address, which stays with it.",
        )


def _track(load_balancer: LoadBalancer, where: str) -> Iterator[Problem]:
    for script in load_balancer.track.scripts:
        if script.timeout_ms > script.interval_ms:
            rule = f"which is longer than its interval, {duration_text(script.interval_ms)}"
            option = f"track.scripts[{script.name}].timeout"
            yield Problem(where, option, duration_text(script.timeout_ms), rule, "Give a shorter timeout or a longer interval.")
    if load_balancer.track.gateway in {node.address for node in load_balancer.nodes}:
        rule = "which is a node's own address"
        yield Problem(where, "track.gateway", load_balancer.track.gateway, rule, "Give the address of a router that both nodes need.")


def _heartbeat(load_balancer: LoadBalancer, where: str) -> Iterator[Problem]:
    heartbeat = load_balancer.heartbeat
    if heartbeat.transport == "udp":
        if not heartbeat.key:
            rule = "but heartbeats over UDP are authenticated"
            yield Problem(
                where,
                "heartbeat.key",
                None,
                rule,
                "Give a shared key of 16 characters or more, or use transport: vrrp.",
            )
        if heartbeat.mode == "multicast":
            yield Problem(
                where,
                "heartbeat.mode",
                "multicast",
                "but UDP heartbeats are unicast",
                "Use mode: unicast, or transport: vrrp.",
            )
        return
    if heartbeat.key:
        rule = "but VRRPv3 carries no authentication (RFC 9568 9)"
        yield Problem(where, "heartbeat.key", "(hidden)", rule, 'Leave it out (key: ""), or use transport: udp.')
    if heartbeat.interval_ms % 10:
        interval = duration_text(heartbeat.interval_ms)
        yield Problem(where, "heartbeat.interval", interval, "but VRRP counts in steps of 10 ms", "Give a multiple of 10 ms.")


def _shared_virtual_routers(document: Document) -> Iterator[Problem]:
    holders: dict[tuple[str, int], str] = {}
    for key, load_balancer in sorted(document.load_balancers.items()):
        heartbeat = load_balancer.heartbeat
        mark = ("vrrp", heartbeat.virtual_router_id) if heartbeat.transport == "vrrp" else ("udp", heartbeat.port)
        option = "heartbeat.virtual_router_id" if mark[0] == "vrrp" else "heartbeat.port"
        if mark in holders:
            rule = f"which {describe('load_balancers', holders[mark])} uses already"
            yield Problem(describe("load_balancers", key), option, mark[1], rule, "Give each load balancer of a node its own.")
        holders.setdefault(mark, key)


def _unknown_load_balancer(document: Document, where: str, name: str) -> Iterator[Problem]:
    if name not in document.load_balancers:
        rule = f"but there is no such load balancer; {known(document.load_balancers, name)}"
        yield Problem(
            where,
            "load_balancer",
            name,
            rule,
            "Add a task with tandem.lb.load_balancer before this one, or correct the name.",
        )


def _claims(document: Document) -> Iterator[Problem]:
    """Two enabled frontends on one address and port; the unspecified address claims the port on all of its family."""
    claims: list[tuple[tuple[bool, int], str, str]] = []
    for key, frontend in sorted(document.frontends.items()):
        if not frontend.enabled:
            continue
        # UDP has ports of its own.
        mine = [((frontend.protocol == "udp", frontend.port), address, key) for address in listen_addresses(document, frontend)]
        for port, address, _key in mine:
            for other in (claim[2] for claim in claims if claim[0] == port and _overlap(claim[1], address)):
                rule = f"which {describe('frontends', other)} listens on already ({_endpoint(address, frontend.port)})"
                yield Problem(
                    describe("frontends", key),
                    "port",
                    frontend.port,
                    rule,
                    "Give another port or other addresses, or disable one of them.",
                )
        claims += mine


def _loops(document: Document) -> Iterator[Problem]:
    """Servers that are frontends of their own load balancer: a request would come back for ever."""
    for key, frontend in sorted(document.frontends.items()):
        own = OwnPlaces(document, frontend)
        for backend in document.backends.values():
            if backend.load_balancer != frontend.load_balancer or (backend.protocol == "udp") != (frontend.protocol == "udp") or not own.port:
                continue
            for server in backend.servers:
                if (server.port or backend.port) != own.port or not own.holds(server.address):
                    continue
                rule = f"where {describe('frontends', key)} of the same load balancer listens ({_endpoint(server.address, frontend.port)})"
                way_out = "Give the server's own address and port, or disable that frontend."
                yield Problem(describe("backends", backend.key), f"servers[{server.name}].address", server.address, rule, way_out)


class OwnPlaces:
    """Where a frontend listens, as far as the document tells: there no server of its load balancer may be. ``port`` 0: it does not listen."""

    def __init__(self, document: Document, frontend: Frontend) -> None:
        self.frontend = frontend
        self.port = frontend.port if frontend.enabled and frontend.load_balancer in document.load_balancers else 0
        self._addresses, self._wild = _own_addresses(document, frontend) if self.port else (set(), set())

    def holds(self, address: str) -> bool:
        """``address``: an IP address, or a host name, of which is known only whether it is this host's own."""
        if is_name(address):
            return is_localhost(address) and any(self.holds(loopback) for loopback in ("127.0.0.1", "::1"))
        return address in self._addresses or (bool(self._wild) and _is_loopback(address, self._wild))


def _own_addresses(document: Document, frontend: Frontend) -> tuple[set[str], set[int]]:
    """(where a frontend listens, the families in which it does so at the unspecified address: there on all that the nodes are known to hold)."""
    listening = set(listen_addresses(document, frontend))
    wild: set[int] = {ipaddress.ip_address(address).version for address in listening if ipaddress.ip_address(address).is_unspecified}
    held = {node.address for node in document.load_balancers[frontend.load_balancer].nodes} | {one.ip for one in document.floating_ips.values()}
    return listening | {address for address in held if wild and ipaddress.ip_address(address).version in wild}, wild


def _is_loopback(address: str, families: set[int]) -> bool:
    ip = ipaddress.ip_address(address)
    return ip.is_loopback and ip.version in families


def _overlap(left: str, right: str) -> bool:
    if left == right:
        return True
    one, two = ipaddress.ip_address(left), ipaddress.ip_address(right)
    if one.version == two.version:
        return one.is_unspecified or two.is_unspecified
    return False


def _endpoint(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def endpoints(addresses: Iterable[str], port: int) -> list[str]:
    """``ADDRESS:PORT`` of each, IPv6 in brackets (RFC 3986 3.2.2)."""
    return [_endpoint(address, port) for address in addresses]
