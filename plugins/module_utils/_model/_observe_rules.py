# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The rules about where metrics and the dashboard are: who may ask for them, and that the place is free."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from ._document import Document, describe, listen_addresses
from ._objects import OWN_ADDRESS, LoadBalancer, Observing
from ._options import declared
from ._problems import Problem, known, plain


def check_observe(document: Document, one: LoadBalancer) -> Iterator[Problem]:
    where, observe = describe("load_balancers", one.key), one.observe
    if not observe.port:
        for name, field_name, declaration, default in declared(Observing):
            given = getattr(observe, field_name)
            if given != default:
                shown = declaration.unsaid or (plain(given) if declaration.kind != "objects" else "given")
                way_out = "Give observe.port, such as 9115, or clear all: observe: {}."
                yield Problem(where, f"observe.{name}", shown, "but without observe.port nothing is to be seen", way_out)
        return
    yield from _who_may_ask(document, one, where)
    yield from _taken(document, one, where)


def _who_may_ask(document: Document, one: LoadBalancer, where: str) -> Iterator[Problem]:
    observe = one.observe
    for user in observe.users:
        if not user.password:
            yield Problem(
                where, f"observe.users[{user.name}].password", None, "but by nothing else a user is known", "Give one of 16 characters or more."
            )
    if observe.certificate and f"{one.name}/{observe.certificate}" not in document.certificates:
        names = [certificate.name for certificate in document.certificates.values() if certificate.load_balancer == one.name]
        rule = f"but the load balancer has no such certificate; {known(names, observe.certificate)}"
        way_out = "State the certificate first, which needs the load balancer without this option; or all at once, with tandem.lb.config."
        yield Problem(where, "observe.certificate", observe.certificate, rule, way_out)
    if observe.client_ca and not observe.certificate:
        rule = "but clients show certificates over TLS alone"
        yield Problem(where, "observe.client_ca", "(PEM)", rule, "Give observe.certificate too.")
    if _stays_on_the_node(one):
        return
    if not observe.users and not observe.client_ca:
        rule = "which others reach, and anybody may ask"
        yield Problem(where, "observe.address", observe.address, rule, "Give observe.users or observe.client_ca, or use 127.0.0.1.")
    if observe.users and not observe.certificate:
        rule = "but passwords would pass the network as they are"
        yield Problem(where, "observe.users", observe.users[0].name, rule, "Give observe.certificate too, or use address: 127.0.0.1.")


def _stays_on_the_node(one: LoadBalancer) -> bool:
    return all(ipaddress.ip_address(address).is_loopback for address in _addresses(one))


def _addresses(one: LoadBalancer) -> list[str]:
    """Where the nodes show it. Those of other nodes matter too: the document is for all."""
    return [node.address for node in one.nodes] if one.observe.address == OWN_ADDRESS else [one.observe.address]


def _taken(document: Document, one: LoadBalancer, where: str) -> Iterator[Problem]:
    """A frontend, or another load balancer's observe, at the same address and port."""
    port = one.observe.port
    for key, frontend in sorted(document.frontends.items()):
        if frontend.enabled and frontend.port == port and _meet(_addresses(one), listen_addresses(document, frontend)):
            yield _in_use(where, port, describe("frontends", key))
    for key, other in sorted(document.load_balancers.items()):
        if key < one.key and other.observe.port == port and _meet(_addresses(one), _addresses(other)):
            yield _in_use(where, port, describe("load_balancers", key))


def _in_use(where: str, port: int, by: str) -> Problem:
    return Problem(where, "observe.port", port, f"where {by} listens already", "Give another port, or another address.")


def _meet(some: list[str], others: list[str]) -> bool:
    """Whether an address is in both; the unspecified one is every address of its family."""
    pairs = [(ipaddress.ip_address(one), ipaddress.ip_address(two)) for one in some for two in others]
    return any(one == two or (one.version == two.version and (one.is_unspecified or two.is_unspecified)) for one, two in pairs)
