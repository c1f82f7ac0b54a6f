# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The rules of frontends that the kernel serves: what needs a proxy is refused by its name, on the frontend and on the backend that it uses."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Any

from ._backend import Backend, Server
from ._document import Document, describe, listen_addresses
from ._frontend import Frontend
from ._names import is_name
from ._options import Option, declared
from ._problems import Problem, plain
from ._values import duration_text

# What the kernel does. Every other option is the proxy's, those to come too, and must be left at its default.
_OF_FRONTENDS = {
    "load_balancer",
    "name",
    "port",
    "addresses",
    "protocol",
    "default_backend",
    "forwarding",
    "client_address",
    "enabled",
    "acls",
    "acl_default",
}
_OF_BACKENDS = {"load_balancer", "name", "protocol", "port", "servers", "balance", "sticky", "health_check", "on_marked_down"}
_OF_SERVERS = {"name", "address", "port", "weight", "backup"}
_BALANCE = ("roundrobin", "random", "source")
_UNSEEN = "but with forwarding: kernel no process sees the packets"


def frontend(document: Document, one: Frontend) -> Iterator[Problem]:
    where = describe("frontends", one.key)
    if one.forwarding == "proxy":
        if one.protocol == "udp":
            yield Problem(where, "protocol", "udp", "but the proxy takes no datagrams", "Use forwarding: kernel.")
        if one.client_address != "snat":
            rule = "but the proxy speaks to servers from its node's own address"
            yield Problem(where, "client_address", one.client_address, rule, "Use forwarding: kernel, or client_address: snat.")
        return
    if one.protocol == "http":
        rule = "but the kernel passes packets and reads no requests"
        yield Problem(where, "protocol", "http", rule, "Use protocol: tcp, or forwarding: proxy.")
        return  # the rest would be told of options that the user wants for HTTP
    yield from _of_the_proxy(where, "", one, _OF_FRONTENDS)
    yield from _addresses(document, one, where)
    backend = document.backends.get(f"{one.load_balancer}/{one.default_backend}")
    if backend is not None:
        yield from _backend(where, backend)
        yield from _families(document, one, where, backend)


def _addresses(document: Document, one: Frontend, where: str) -> Iterator[Problem]:
    load_balancer = document.load_balancers.get(one.load_balancer)
    names = load_balancer.floating_ips if load_balancer else ()
    floating = {document.floating_ips[name].ip for name in names if name in document.floating_ips}
    for address in listen_addresses(document, one):
        if address not in floating:
            rule = f"which is no floating IP of {describe('load_balancers', one.load_balancer)}"
            yield Problem(where, "addresses", address, rule, "Name floating IPs, or leave it out for all of them.")
        elif ipaddress.ip_address(address).is_loopback:
            yield Problem(where, "addresses", address, "but the kernel forwards nothing to loopback addresses", "Use forwarding: proxy.")


def _backend(where: str, backend: Backend) -> Iterator[Problem]:
    """What the backend asks for that only a proxy can do."""
    named = f"default_backend ({describe('backends', backend.key)})."
    yield from _of_the_proxy(where, named, backend, _OF_BACKENDS)
    if backend.health_check.agent.port:
        rule = "but an agent's shares would change slots, and each node hears another one"
        yield Problem(where, f"{named}health_check.agent.port", backend.health_check.agent.port, rule, "Leave agents out, or use forwarding: proxy.")
    if backend.balance not in _BALANCE:
        rule = "but with forwarding: kernel a hash of the connection chooses the server"
        yield Problem(where, f"{named}balance", backend.balance, rule, "Use roundrobin, or source for the client's address alone.")
    if backend.sticky.type not in ("none", "source"):
        rule = "but the kernel reads no requests"
        yield Problem(where, f"{named}sticky.type", backend.sticky.type, rule, "Use sticky type: source.")
    if backend.sticky.type == "source":
        yield from _of_the_proxy(where, f"{named}sticky.", backend.sticky, {"type"})
    for server in backend.servers:
        yield from _of_the_proxy(where, f"{named}servers[{server.name}].", server, _OF_SERVERS)
        unreachable = _unreachable(server)
        if unreachable:
            rule, way_out = unreachable
            yield Problem(where, f"{named}servers[{server.name}].address", server.address, rule, way_out)


def _of_the_proxy(where: str, named: str, thing: Any, kept: set[str]) -> Iterator[Problem]:
    """Every option that is set and not among those that are kept, in the objects within too."""
    for name, field_name, declaration, default in declared(type(thing)):
        given = getattr(thing, field_name)
        if name in kept or given == default:
            continue
        if declaration.kind == "object":
            yield from _of_the_proxy(where, f"{named}{name}.", given, set())
            continue
        shown, usual = (duration_text(one) if declaration.kind == "duration" else one for one in (given, default))
        way_out = f"Leave it at its default ({plain([]) if declaration.kind == 'objects' else plain(usual)}), or use forwarding: proxy."
        yield Problem(where, f"{named}{name}", _hidden(declaration) or shown, _UNSEEN, way_out)


def _hidden(declaration: Option) -> str:
    return "(a list)" if declaration.kind == "objects" else declaration.unsaid


def _unreachable(server: Server) -> tuple[str, ...]:
    """Why the kernel could not forward to a server, and the way out; empty where it can."""
    if is_name(server.address):
        return "but packets go to addresses, and nobody would tell the kernel of another one", "Give an address, or use forwarding: proxy."
    ip = ipaddress.ip_address(server.address)
    if ip.is_loopback:
        return "but the kernel forwards nothing to loopback addresses", "Give the server's address on a network, or use forwarding: proxy."
    if "%" in server.address or (ip.version == 6 and (ip.is_link_local or ip.ipv4_mapped is not None)):
        return "which is of one link, or of two families, so packets cannot be forwarded to it", "Give a global or unique local address."
    return ()


def _families(document: Document, one: Frontend, where: str, backend: Backend) -> Iterator[Problem]:
    """The kernel passes packets from a client to a server of the same family alone."""
    servers = [server for server in backend.servers if not is_name(server.address)]
    of_servers = {ipaddress.ip_address(server.address).version for server in servers}
    listening = listen_addresses(document, one)
    for address in listening if servers else ():
        version = ipaddress.ip_address(address).version
        if version not in of_servers:
            rule = f"but {describe('backends', backend.key)} has no server with an IPv{version} address, and the kernel does not translate"
            yield Problem(where, "addresses", address, rule, "Name addresses of the servers' family, or give the backend servers of both.")
    for server in servers if listening else ():
        version = ipaddress.ip_address(server.address).version
        if version not in {ipaddress.ip_address(address).version for address in listening}:
            named = f"default_backend ({describe('backends', backend.key)}).servers[{server.name}].address"
            rule = f"but the frontend has no IPv{version} address, and the kernel does not translate"
            yield Problem(where, named, server.address, rule, "Give the load balancer such a floating IP, or take the server out.")
