# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The rules of one frontend: between its options, and between it and what it names."""

from __future__ import annotations

from collections.abc import Iterator

from . import _access_rules as access
from . import _forward_rules as forward
from . import _header_rules as headers
from . import _tls_rules as tls
from ._backend_rules import keepalive_probes, timeouts_of_http
from ._document import Document, describe, listen_addresses
from ._frontend import Frontend
from ._options import declared
from ._problems import Problem, known, plain

# Why an option is of no use to a frontend of TCP.
_OF_REQUESTS = {
    "forwarded_for": "but TCP has no fields to name the client in",
    "trusted_proxies": "but TCP has no fields that they could have written",
    "client_from": "but TCP has no fields that name a client",
    "via": "but TCP has no fields to name the proxy in",
    "header_underscores": "but TCP has no fields that could have them in their names",
    "upgrades": "but TCP passes bytes, whatever they switch to",
    "max_head": "but TCP has no requests with heads",
    "max_body": "but TCP has no requests with bodies",
    "forwarded_fields": "but TCP has no fields to name the client in",
    "request_headers": "but TCP has no requests that they could be written into",
    "response_headers": "but TCP has no answers that they could be written into",
    "request_id": "but TCP has no requests that could have a name",
    "error_pages": "but TCP has no answers of ours",
    "compression": "but TCP has no answers that could be compressed",
}


def check_frontend(document: Document, frontend: Frontend) -> Iterator[Problem]:
    where = describe("frontends", frontend.key)
    sent_elsewhere = frontend.redirect_to_https or any(acl.action == "redirect" for acl in frontend.acls)
    if not frontend.default_backend and not frontend.routes and not sent_elsewhere:
        yield Problem(
            where,
            "default_backend",
            None,
            "and there are no routes either",
            "Name the backend that takes the requests.",
        )
    if frontend.protocol != "http":
        yield from _options_of_http(frontend, where)
    elif frontend.trusted_proxies and frontend.forwarded_for != "replace":
        does = {"append": "keeps what any client wrote", "none": "passes what any client wrote"}[frontend.forwarded_for]
        way_out = "Use forwarded_for: replace, or clear them (trusted_proxies: [])."
        yield Problem(where, "trusted_proxies", frontend.trusted_proxies, f"but forwarded_for: {frontend.forwarded_for} {does}", way_out)
    elif frontend.client_from and not frontend.trusted_proxies:
        yield Problem(where, "client_from", frontend.client_from, "but nobody is trusted to say it", "Name your proxies in trusted_proxies.")
    yield from _client_limits(frontend, where)
    named = [("default_backend", frontend.default_backend)] if frontend.default_backend else []
    for index, route in enumerate(frontend.routes):
        named += [(f"routes[{index}].backend", route.backend)] if route.backend else []
        named += [(f"routes[{index}].backends[{one.backend}]", one.backend) for one in route.backends]
    for option, name in named:
        yield from _referred_backend(document, frontend, where, option, name)
    yield from _shared_cookies(document, frontend)
    yield from keepalive_probes(where, frontend.keepalive_probes)
    yield from forward.frontend(document, frontend)
    yield from access.frontend(frontend, where)
    yield from headers.frontend(frontend, where)
    yield from tls.frontend(document, frontend)
    if frontend.load_balancer in document.load_balancers and not listen_addresses(document, frontend):
        rule = f"and {describe('load_balancers', frontend.load_balancer)} has no floating IPs"
        yield Problem(where, "addresses", None, rule, "Give the load balancer a floating IP, or the frontend an address.")


def _options_of_http(frontend: Frontend, where: str) -> Iterator[Problem]:
    """What a TCP frontend was given that works with requests only: an option that does nothing would be taken for one that does."""
    for name, field_name, _declaration, default in declared(Frontend):
        given = getattr(frontend, field_name)
        if name in _OF_REQUESTS and given != default:
            yield Problem(where, name, given, _OF_REQUESTS[name], f"Use protocol: http, or the default ({plain(default)}).")
    if frontend.access_log in ("common", "combined"):
        rule = "but the Common Log Format is one of HTTP requests"
        yield Problem(where, "access_log", frontend.access_log, rule, "Use json or haproxy, which write a line for each session, or none.")
    yield from timeouts_of_http(where, frontend.timeouts, "client", "keepalive")
    # With TLS it bounds the handshake, or the message that names a host; with proxies in front the header that says whose a connection is.
    if not (frontend.tls.certificates or frontend.routes or frontend.accept_proxy_protocol):
        yield from timeouts_of_http(where, frontend.timeouts, "request")


def _client_limits(frontend: Frontend, where: str) -> Iterator[Problem]:
    limits = frontend.client_limits
    if limits.burst and not limits.requests_per_second:
        rule = "but without client_limits.requests_per_second there is nothing to exceed"
        yield Problem(where, "client_limits.burst", limits.burst, rule, "Give requests_per_second too, or leave it out.")
    if limits.exempt and not (limits.requests_per_second or limits.connections):
        rule = "but there are no limits to be exempt from"
        yield Problem(where, "client_limits.exempt", limits.exempt, rule, "Give requests_per_second or connections, or leave it out.")


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
    for key in sorted(frontend.backends & set(document.backends)):
        sticky = document.backends[key].sticky
        if sticky.type == "cookie" and sticky.cookie_name:
            first = holders.setdefault(sticky.cookie_name, key)
            if first != key:
                rule = f"which {describe('backends', first)} uses too, behind the same {describe('frontends', frontend.key)}"
                way_out = "Give each its own, or leave it out."
                yield Problem(describe("backends", key), "sticky.cookie_name", sticky.cookie_name, rule, way_out)
