# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The rules between options and between objects: what a whole document must satisfy before anything is written or loaded."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from typing import Union

from ._document import Document, describe
from ._objects import Backend, BackendTimeouts, Frontend, FrontendTimeouts, LoadBalancer
from ._problems import Problem, known
from ._values import duration_text, in_pool


def check_document(document: Document) -> list[Problem]:
    """Every broken rule of the document; an empty list when it can be used."""
    problems = list(_floating_ips(document))
    for load_balancer in document.load_balancers.values():
        problems += _load_balancer(document, load_balancer)
    problems += _shared_virtual_routers(document)
    for backend in document.backends.values():
        problems += _backend(document, backend)
    for frontend in document.frontends.values():
        problems += _frontend(document, frontend)
    problems += _claims(document)
    problems += _loops(document)
    return problems


def listen_addresses(document: Document, frontend: Frontend) -> list[str]:
    """Where a frontend listens: its addresses, or all floating IPs of its load balancer; sorted, without prefix lengths."""
    if frontend.addresses:
        return list(frontend.addresses)
    load_balancer = document.load_balancers.get(frontend.load_balancer)
    names = load_balancer.floating_ips if load_balancer else ()
    return sorted(document.floating_ips[name].ip for name in names if name in document.floating_ips)


def users(document: Document, kind: str, key: str) -> list[str]:
    """Who refers to an object, as messages name them: the reason why it cannot be removed."""
    if kind == "floating_ips":
        return [describe("load_balancers", lb.key) for lb in document.load_balancers.values() if key in lb.floating_ips]
    if kind == "load_balancers":
        below: list[tuple[str, str]] = [("backends", b.key) for b in document.backends.values() if b.load_balancer == key]
        below += [("frontends", f.key) for f in document.frontends.values() if f.load_balancer == key]
        return [describe(*user) for user in below]
    if kind == "backends":
        return [describe("frontends", f.key) for f in document.frontends.values() if key in backends_of(f)]
    return []


def addresses_in_use(document: Document) -> set[str]:
    """Every address that an object of the document has or names, without prefix lengths."""
    found = {floating_ip.ip for floating_ip in document.floating_ips.values()}
    found |= {node.address for one in document.load_balancers.values() for node in one.nodes}
    found |= {server.address for backend in document.backends.values() for server in backend.servers}
    return found | {address for frontend in document.frontends.values() for address in frontend.addresses}


def backends_of(frontend: Frontend) -> set[str]:
    """The keys of the backends a frontend may choose."""
    names = {route.backend for route in frontend.routes} | ({frontend.default_backend} - {""})
    return {f"{frontend.load_balancer}/{name}" for name in names}


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
    yield from _heartbeat(load_balancer, where)


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


def _backend(document: Document, backend: Backend) -> Iterator[Problem]:
    where = describe("backends", backend.key)
    yield from _unknown_load_balancer(document, where, backend.load_balancer)
    for server in backend.servers:
        if not (server.port or backend.port):
            rule = "and the backend has no port either"
            yield Problem(where, f"servers[{server.name}].port", None, rule, "Give the backend's port, or the server's.")
    check = backend.health_check
    if check.type != "none" and check.timeout_ms > check.interval_ms:
        rule = f"but it must not be longer than health_check.interval ({duration_text(check.interval_ms)})"
        way_out = "Give a shorter timeout or a longer interval."
        yield Problem(where, "health_check.timeout", duration_text(check.timeout_ms), rule, way_out)
    if check.expect_body and (check.type != "http" or check.method == "HEAD"):
        rule = f"but a check of type {check.type} with method {check.method} sees no body"
        yield Problem(
            where,
            "health_check.expect_body",
            check.expect_body,
            rule,
            "Use type: http with method: GET, or leave it out.",
        )
    if backend.sticky.type == "cookie" and backend.protocol == "tcp":
        rule = "but a TCP backend sees no cookies"
        yield Problem(where, "sticky.type", "cookie", rule, "Use sticky type: source, or protocol: http.")
    if backend.sticky.type == "source" and not backend.sticky.ttl_ms:
        yield Problem(where, "sticky.ttl", "0ms", "but bindings by source end after an idle time", 'Give one, such as "30m".')
    if backend.protocol == "tcp":
        yield from _timeouts_of_http(where, backend.timeouts, "server")


def _frontend(document: Document, frontend: Frontend) -> Iterator[Problem]:
    where = describe("frontends", frontend.key)
    yield from _unknown_load_balancer(document, where, frontend.load_balancer)
    if not frontend.default_backend and not frontend.routes:
        yield Problem(
            where,
            "default_backend",
            None,
            "and there are no routes either",
            "Name the backend that takes the requests.",
        )
    if frontend.protocol == "tcp":
        yield from _options_of_http(frontend, where)
    named = [(f"routes[{index}].backend", route.backend) for index, route in enumerate(frontend.routes)]
    named += [("default_backend", frontend.default_backend)] if frontend.default_backend else []
    for option, name in named:
        yield from _referred_backend(document, frontend, where, option, name)
    yield from _shared_cookies(document, frontend)
    if frontend.load_balancer in document.load_balancers and not listen_addresses(document, frontend):
        rule = f"and {describe('load_balancers', frontend.load_balancer)} has no floating IPs"
        yield Problem(where, "addresses", None, rule, "Give the load balancer a floating IP, or the frontend an address.")


def _options_of_http(frontend: Frontend, where: str) -> Iterator[Problem]:
    """What a TCP frontend was given that works with requests only: an option that does nothing would be taken for one that does."""
    if frontend.routes:
        rule = "but a TCP frontend sees neither host nor path"
        yield Problem(where, "routes", f"{len(frontend.routes)} routes", rule, "Use default_backend, or protocol: http.")
    if frontend.forwarded_for != Frontend.forwarded_for:
        rule = "but TCP has no fields to name the client in"
        yield Problem(where, "forwarded_for", frontend.forwarded_for, rule, f"Use protocol: http, or the default ({Frontend.forwarded_for}).")
    if frontend.access_log == "common":
        rule = "but the Common Log Format is one of HTTP requests"
        yield Problem(where, "access_log", "common", rule, "Use access_log: json, which writes a line for each session, or none.")
    yield from _timeouts_of_http(where, frontend.timeouts, "client", "request", "keepalive")


def _timeouts_of_http(where: str, timeouts: Union[BackendTimeouts, FrontendTimeouts], *names: str) -> Iterator[Problem]:
    for name in names:
        given, default = (duration_text(getattr(one, f"{name}_ms")) for one in (timeouts, type(timeouts)()))
        if given != default:
            rule = "but it is the backend's timeouts.tunnel that ends a TCP session without traffic"
            yield Problem(where, f"timeouts.{name}", given, rule, f"Set that one instead, and this one to its default ({default}).")


def _referred_backend(document: Document, frontend: Frontend, where: str, option: str, name: str) -> Iterator[Problem]:
    backend = document.backends.get(f"{frontend.load_balancer}/{name}")
    if backend is None:
        names = [b.name for b in document.backends.values() if b.load_balancer == frontend.load_balancer]
        rule = f'but load balancer "{frontend.load_balancer}" has no such backend; {known(names, name)}'
        yield Problem(where, option, name, rule, "Add a task with tandem.lb.backend before this one, or correct the name.")
    elif backend.protocol != frontend.protocol:
        rule = f"whose protocol is {backend.protocol}, while the frontend's is {frontend.protocol}"
        yield Problem(where, option, name, rule, "Give both the same protocol.")


def _shared_cookies(document: Document, frontend: Frontend) -> Iterator[Problem]:
    """Two backends behind one frontend that bind clients by a cookie of the same name, so that each undoes what the other did."""
    holders: dict[str, str] = {}
    for key in sorted(backends_of(frontend) & set(document.backends)):
        sticky = document.backends[key].sticky
        if sticky.type == "cookie" and sticky.cookie_name:
            first = holders.setdefault(sticky.cookie_name, key)
            if first != key:
                rule = f"which {describe('backends', first)} uses too, behind the same {describe('frontends', frontend.key)}"
                way_out = "Give each its own, or leave it out."
                yield Problem(describe("backends", key), "sticky.cookie_name", sticky.cookie_name, rule, way_out)


def _claims(document: Document) -> Iterator[Problem]:
    """Two enabled frontends on one address and port; the unspecified address claims the port on all of its family."""
    claims: list[tuple[int, str, str]] = []
    for key, frontend in sorted(document.frontends.items()):
        if not frontend.enabled:
            continue
        mine = [(frontend.port, address, key) for address in listen_addresses(document, frontend)]
        for port, address, _key in mine:
            for other in (claim[2] for claim in claims if claim[0] == port and _overlap(claim[1], address)):
                rule = f"which {describe('frontends', other)} listens on already ({_endpoint(address, port)})"
                yield Problem(
                    describe("frontends", key),
                    "port",
                    port,
                    rule,
                    "Give another port or other addresses, or disable one of them.",
                )
        claims += mine


def _loops(document: Document) -> Iterator[Problem]:
    """Servers that are frontends of their own load balancer: a request would come back for ever."""
    for key, frontend in sorted(document.frontends.items()):
        if not frontend.enabled or frontend.load_balancer not in document.load_balancers:
            continue
        own, wild = _own_addresses(document, frontend)
        for backend in document.backends.values():
            if backend.load_balancer != frontend.load_balancer:
                continue
            for server in backend.servers:
                if (server.port or backend.port) == frontend.port and (server.address in own or (wild and _is_loopback(server.address, wild))):
                    rule = f"where {describe('frontends', key)} of the same load balancer listens ({_endpoint(server.address, frontend.port)})"
                    way_out = "Give the server's own address and port, or disable that frontend."
                    yield Problem(describe("backends", backend.key), f"servers[{server.name}].address", server.address, rule, way_out)


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
